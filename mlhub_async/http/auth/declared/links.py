"""The authentication schemes that documents of a catalogue name for their links.

Only links to the origin of SOURCE count: no other one gets the user's credentials for what a document says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ....core.errors import TransferError
from ....core.json_text import dumps
from ....core.model import Document
from ....core.urls import Origin, origin, parse

SCHEMES, REFS = "auth:schemes", "auth:refs"
MAX_SCHEMES = 8
MAX_CHARACTERS = 8192
"""Of the JSON text of one scheme."""


class DeclaredByLinks:
    """The schemes of links to `source`, in the order in which they were met."""

    def __init__(self, source: Origin) -> None:
        self._source = source
        self._schemes: dict[str, None] = {}

    def schemes(self) -> Sequence[str]:
        """In the form of `Request.auth`."""
        return tuple(self._schemes)

    def learn(self, document: Document) -> None:
        """Note what a document says."""
        body, url = document.body, document.url
        links = body.get("links") if isinstance(body, dict) else None
        for link in links if isinstance(links, list) else ():
            if isinstance(link, dict) and isinstance(refs := link.get(REFS), list):
                self._note(link.get("href"), refs, body, url)

    def _note(self, href: Any, refs: list[Any], body: dict[str, Any], url: str) -> None:
        try:
            there = origin(parse(href, url))
        except TransferError:
            return
        properties = body.get("properties")
        known = [one.get(SCHEMES) for one in (body, properties) if isinstance(one, dict)]
        for ref in refs[:MAX_SCHEMES] if there == self._source and len(self._schemes) < MAX_SCHEMES else ():
            found = [schemes[ref] for schemes in known if isinstance(schemes, dict) and _is_key(ref, schemes)]
            if found and len(text := _text(ref, found[0])) <= MAX_CHARACTERS:
                self._schemes[text] = None


def _is_key(ref: Any, schemes: dict[str, Any]) -> bool:
    return isinstance(ref, str) and isinstance(schemes.get(ref), dict)


def _text(ref: str, scheme: dict[str, Any]) -> str:
    try:
        return dumps([ref, scheme]).decode()
    except TypeError:  # half a character
        return dumps([ascii(ref), None]).decode()
