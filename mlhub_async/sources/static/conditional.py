"""Reads documents of items, those that are known only if they have changed (RFC 9110 section 13)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ...core.errors import Transient
from ...core.json_text import parse_json
from ...core.model import Document, Head, Request
from ...core.ports.known_items import DocumentVersion, KnownItems
from ...core.urls import canonical
from ...http.client import DOCUMENT_FIELDS
from ...http.documents import DocumentSink
from ...http.status import NOT_MODIFIED
from ...http.validators import is_constant, is_of_this_second, modified_at, strong_validator
from ..items.streams import RawReader

AUTH_REFS = b'"auth:refs"'


class _ConditionalSink(DocumentSink):
    """Takes a document, or the answer that it is the known version."""

    def __init__(self, url: str, known: DocumentVersion) -> None:
        super().__init__(url)
        self._known = known
        self.is_unchanged = False

    def start(self, head: Head) -> None:
        if head.status == NOT_MODIFIED and self._known.validator:
            self.is_unchanged = True
        else:
            super().start(head)


class ConditionalReader:
    """Reads the documents of items. `items` has what is known of them."""

    def __init__(self, reader: RawReader, items: KnownItems) -> None:
        self._reader = reader
        self._on_schemes: Callable[[Document], None] = getattr(reader, "on_schemes", lambda _: None)
        self.items = items

    async def read(self, url: str, known: DocumentVersion) -> tuple[Document | None, DocumentVersion]:
        """The document and its version; None where it still is the known one. Raises as `Reader.read` does.

        A document that cannot be read in this way is read without a condition.
        """
        try:
            found = await self._reader.retry(partial(self._read_once, url, known))
        except ValueError:
            found = None
        if found is not None and not (found[0] is None and not _is_same(known, found[1])):
            return found
        return await self._reader.read(Request(url)), DocumentVersion()

    async def _read_once(self, url: str, known: DocumentVersion) -> tuple[Document | None, DocumentVersion]:
        """One attempt. Raises ValueError for what is damaged or no JSON."""
        sink = _ConditionalSink(url, known)
        try:
            request = Request(url, headers={**DOCUMENT_FIELDS, **_condition(known)})
            head = await self._reader.get(request, sink)
            raw = b"" if sink.is_unchanged else sink.whole()
        except Transient as error:
            if error is sink.damage:
                raise ValueError(error.message) from None
            raise
        version = _version_of(head)
        if sink.is_unchanged:
            return None, version
        document = Document(parse_json(raw), head.url)
        if AUTH_REFS in raw:
            self._on_schemes(document)
        return document, version


def _condition(known: DocumentVersion) -> dict[str, str]:
    if not known.validator:
        return {}
    is_etag = known.validator.startswith(('"', "W/"))
    return {"if-none-match" if is_etag else "if-modified-since": known.validator}


def _version_of(head: Head) -> DocumentVersion:
    doubtful = is_constant(head.headers) or is_of_this_second(head.headers)
    weak = "" if doubtful else head.headers.get("etag", "").strip()
    validator = weak or strong_validator(head.headers)
    return DocumentVersion(canonical(head.url), validator, modified_at(head.headers))


def _is_same(known: DocumentVersion, now: DocumentVersion) -> bool:
    """Whether an answer that nothing has changed is believed: it came from the same place, and does not tell
    of a later change (see `validators.is_later`)."""
    return now.url == known.url and not 0 < known.modified < now.modified
