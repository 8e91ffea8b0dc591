"""A plan as a file: the items that a mirror would fetch, and their collections. It is a SOURCE itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Protocol

from ... import stac
from ...core.errors import StorageError
from ...core.model import Collection, Item, JsonObject
from ...core.options.output_file import PRIVATE, output_file
from ...core.urls import is_of_planetary_computer, with_placeholders
from ...sources.location import NDJSON
from ...stac.write.encode import encode_fetchable
from .plan import HideSecrets, Save

STDOUT = "-"
_LISTING_RELS = frozenset({"child", "item", "items", "data", "search", "next", "prev"})
"""Links of a collection that lead to its items, which are in the plan; there may be a million of them."""


class _Writer(Protocol):
    def write(self, owner: Item | Collection, hide: HideSecrets) -> None: ...

    def finish(self) -> None: ...


@contextmanager
def open_plan_file(path: str | None) -> Iterator[Save]:
    """Yields a function that writes one item or collection; the file gets its name only if the listing came
    to its end. "-" is standard output, as lines.

    Only the owner can read it (mode 600): its URLs contain the tokens that fetching needs. With None
    nothing is written. Raises `StorageError` if the file cannot be written, `UsageError` if it would replace
    a file of a mirror.
    """
    if path is None:
        yield lambda owner, hide: None
        return
    if path == STDOUT:
        yield _LineWriter(sys.stdout.buffer).write
        sys.stdout.buffer.flush()
        return
    from ..verify.outputs import refuse_mirror_file

    refuse_mirror_file(path, "--save")
    try:
        with output_file(path, PRIVATE) as file:
            is_lines = path.lower().endswith(NDJSON)
            writer: _Writer = _LineWriter(file) if is_lines else _FeatureCollectionWriter(file)
            yield writer.write
            writer.finish()
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}") from None


class _LineWriter:
    """Writes one item per line, and on lines of their own the collections that have files.

    Other readers take every line for an item, so nothing that a mirror could do without is among them.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, owner: Item | Collection, hide: HideSecrets) -> None:
        if isinstance(owner, Item) or owner.body.get("assets"):
            self._file.write(_encoded(owner, hide) + b"\n")

    def finish(self) -> None:
        """Nothing to do: every line is complete."""


class _FeatureCollectionWriter:
    """Writes a FeatureCollection, as STAC clients save searches, with the collections as one more member."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._separator = b'{"type":"FeatureCollection","features":[\n'
        self._collections: list[bytes] = []

    def write(self, owner: Item | Collection, hide: HideSecrets) -> None:
        if isinstance(owner, Collection):
            self._collections.append(_encoded(owner, hide))
            return
        self._file.write(self._separator + _encoded(owner, hide))
        self._separator = b",\n"

    def finish(self) -> None:
        begun = self._separator if self._separator != b",\n" else b""
        more = b',"collections":[\n' + b",\n".join(self._collections) + b"\n]" if self._collections else b""
        self._file.write(begun + b"\n]" + more + b"}\n")


def _encoded(owner: Item | Collection, hide: HideSecrets) -> bytes:
    return encode_fetchable(with_absolute_hrefs(owner), _hides(owner, hide))


def _hides(owner: Item | Collection, hide: HideSecrets) -> HideSecrets:
    """Removes also what a later run gets anew: all secrets where the item has an address of its own.

    Of other items signatures and tokens stay: without them their files could not be fetched.
    """
    links = owner.body.get("links")
    known = [one for one in links if isinstance(one, dict)] if isinstance(links, list) else []
    selves = [one for one in known if "self" in stac.relations(one)]
    is_readable = isinstance(owner, Item) and any(
        str(one.get("href")).startswith(("http://", "https://")) for one in selves
    )

    def hidden(text: str) -> str:
        kept = hide(text)
        return with_placeholders(kept) if is_readable or is_of_planetary_computer(kept) else kept

    return hidden


def with_absolute_hrefs(owner: Item | Collection) -> JsonObject:
    """The body of an item or collection whose hrefs do not depend on where the document is.

    Its link `self` is where it was read alone, if it has none: other items name it by that.
    """
    body = dict(owner.body)
    if isinstance(owner, Item):
        body["collection"] = owner.collection
    else:
        body["type"], body["id"] = "Collection", owner.id
    assets = body.get("assets")
    if isinstance(assets, dict):
        body["assets"] = {key: _with_absolute_href(asset, owner.href) for key, asset in assets.items()}
    links = body.get("links")
    kept = [_with_absolute_href(one, owner.href) for one in _links_of(owner)]
    address = owner.addresses[:1] if isinstance(owner, Item) else (owner.href,)
    if address and not any(isinstance(one, dict) and "self" in stac.relations(one) for one in kept):
        kept.append({"rel": "self", "href": address[0]})
    if kept or isinstance(links, list):
        body["links"] = kept
    return body


def _links_of(owner: Item | Collection) -> list[Any]:
    links = owner.body.get("links")
    if not isinstance(links, list):
        return []
    if isinstance(owner, Item):
        return links
    return [one for one in links if not (isinstance(one, dict) and stac.has_relation(one, _LISTING_RELS))]


def _with_absolute_href(owner: Any, base: str) -> Any:
    """`owner` is an asset or a link, or whatever else the catalogue has in its place."""
    if not isinstance(owner, dict) or not isinstance(owner.get("href"), str):
        return owner
    return {**owner, "href": stac.resolve(owner["href"], base)}
