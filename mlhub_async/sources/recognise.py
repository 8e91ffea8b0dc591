"""Hides which kind of catalogue a SOURCE is: it is looked at, not asked for by a flag."""

from __future__ import annotations

import os
import re
from collections.abc import Collection as Some
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import stac
from ..core import urls
from ..core.errors import SourceError, TransferError, UsageError
from ..core.model import Document, JsonObject, Request
from ..core.options import Selection
from ..core.ports import Source
from .access import unreadable
from .api.source import ApiSource
from .api.split import UnsplitSource, is_split
from .items.documents import RawReader, of_document, of_lines, of_stdin
from .items.objects import of_objects
from .mlhub import MlhubSource
from .source_links import FirstTime, FollowSources
from .static import StaticSource

_LINES = (".ndjson", ".jsonl", ".geojsonl", ".ndgeojson")
_NOT_YET = (".parquet", ".geoparquet", ".tar", ".tar.gz", ".tgz", ".zip")
_ROOTS = ("catalog.json", "collection.json")


async def recognise(
    source: str,
    reader: RawReader,
    selection: Selection,
    *,
    mlhub_root: str,
    allow_origins: Some[str] = frozenset(),
    first_time: FirstTime | None = None,
) -> Source:
    """The source that the word SOURCE means. Reads its root document, if it has one.

    Raises `UsageError` for a kind we do not know, `SourceError` for a place that is no catalogue,
    `CatalogError` where the network may do better next time.
    """
    look = _Recogniser(reader, selection, frozenset(map(_origin, allow_origins)), mlhub_root)
    url = source if source in ("mlhub", "-") else _url(source)
    found = await look.at(url)
    if selection.dataset and not isinstance(found, MlhubSource):
        raise UsageError(
            f"--dataset is for an MLHub, which {urls.redacted(source)} is not: use -c for collections"
        )
    if is_split(selection) and not isinstance(found, ApiSource | MlhubSource):
        found = UnsplitSource(found)
    return FollowSources(found, reader, look.allowed, first_time, url) if selection.follow_sources else found


def of_python_objects(
    given: Any,
    reader: RawReader,
    selection: Selection,
    *,
    allow_origins: Some[str] = frozenset(),
    first_time: FirstTime | None = None,
) -> Source:
    """STAC items as Python objects. No source link of theirs is followed to a local file."""
    found: Source = of_objects(given, selection, reader)
    if is_split(selection):
        found = UnsplitSource(found)
    if not selection.follow_sources:
        return found
    return FollowSources(found, reader, frozenset(map(_origin, allow_origins)), first_time)


@dataclass(frozen=True, slots=True)
class _Recogniser:
    """Looks at what is there and chooses the source for it."""

    reader: RawReader
    selection: Selection
    allowed: frozenset[str]
    mlhub_root: str

    async def at(self, url: str) -> Source:
        if url == "mlhub":
            return MlhubSource(self.reader, self.mlhub_root, self.selection, self.allowed)
        if url == "-":
            return of_stdin(self.selection, self.reader)
        path = url.partition("?")[0].lower()
        if path.endswith(_NOT_YET):
            raise UsageError(
                f"{urls.redacted(url)}: such a file cannot be read yet; give its catalogue's JSON"
            )
        if path.endswith(_LINES):
            return of_lines(self.reader, url, self.selection)
        return self._of(await _root(self.reader, url), urls.redacted(url))

    def _of(self, document: Document, where: str) -> Source:
        """1. items  2. an API's landing page  3. a catalogue or collection  4. none of them

        With --dataset an API is an MLHub: nothing else has datasets.
        """
        if _is_array_of_items(document.body):
            document = Document({"type": "FeatureCollection", "features": document.body}, document.url)
        body, url = document.body, document.url
        kind = body.get("type") if isinstance(body, dict) else None
        if kind in ("FeatureCollection", "Feature"):
            return of_document(self.reader, document, self.selection, self.allowed)
        if isinstance(body, dict) and _is_landing(body):
            if self.selection.dataset:
                return MlhubSource(self.reader, url, self.selection, self.allowed)
            return ApiSource(self.reader, url, body, self.selection, self.allowed)
        if kind in ("Catalog", "Collection") or (isinstance(body, dict) and "stac_version" in body):
            return StaticSource(self.reader, body, url, self.selection, self.allowed)
        raise SourceError(
            f"{where} is JSON, but neither a STAC API nor a catalogue, collection or item: "
            "give the address of one of these",
            kind="not-stac",
        )


def _is_array_of_items(body: object) -> bool:
    """As jq writes them."""
    items = body if isinstance(body, list) else []
    return bool(items) and all(isinstance(one, dict) and one.get("type") == "Feature" for one in items)


def _is_landing(body: JsonObject) -> bool:
    """A collection with search links is still a collection."""
    if body.get("type") == "Collection":
        return False
    return isinstance(body.get("conformsTo"), list) or any(
        next(stac.links_of(body, rel), None) for rel in ("search", "data")
    )


async def _root(reader: RawReader, url: str) -> Document:
    try:
        return await reader.read(Request(url))
    except TransferError as error:
        raise unreadable(error, url) from error


def _url(source: str) -> str:
    """A URL as it is, a path as a file: URL, a folder as the catalogue in it."""
    if re.match(r"https?:|file:", source, re.IGNORECASE):
        return _parsed(source)
    if scheme := re.match(r"([a-z][a-z0-9+.-]+)://", source, re.IGNORECASE):
        raise UsageError(
            f"SOURCE {scheme[1]}://: object stores cannot be listed yet; give its https:// catalogue"
        )
    if not source.strip():
        raise UsageError("SOURCE is empty: give the address or path of a catalogue")
    path = Path(source)
    if os.path.isdir(path):
        return urls.from_path(_catalogue_in(path))
    if not os.path.exists(path):
        raise SourceError(f"{urls.term_safe(source)} does not exist here, and is no URL", kind="not-found")
    return urls.from_path(path)


def _parsed(source: str) -> str:
    try:
        return urls.parse(source)
    except TransferError as error:
        raise UsageError(error.message) from error


def _catalogue_in(folder: Path) -> Path:
    for name in _ROOTS:
        if (folder / name).is_file():
            return folder / name
    here = ", ".join(urls.term_safe(name) for name in sorted(os.listdir(folder))[:5]) or "nothing"
    raise SourceError(
        f"{urls.term_safe(str(folder))} holds neither catalog.json nor collection.json (but {here}): "
        "name the catalogue's file",
        kind="not-found",
    )


def _origin(text: str) -> str:
    try:
        return str(urls.origin(urls.parse(text)))
    except TransferError as error:
        raise UsageError(f"--allow-origin {urls.redacted(text)}: write it as https://host") from error
