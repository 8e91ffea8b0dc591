"""Hides which kind of catalogue a SOURCE is: it is looked at, not asked for by a flag."""

from __future__ import annotations

import os
import re
from collections.abc import Collection as Some
from pathlib import Path

from .. import stac, urls
from ..errors import CatalogError, SourceError, TransferError, Transient, UsageError
from ..model import Document, JsonObject, Request, Selection
from ..ports import Source
from .api import ApiSource
from .items import ItemsSource, RawReader, of_document, of_lines, of_objects, of_stdin
from .links import FirstTime, FollowSources
from .mlhub import MlhubSource
from .static import StaticSource

__all__ = [
    "ApiSource",
    "FollowSources",
    "ItemsSource",
    "MlhubSource",
    "RawReader",
    "StaticSource",
    "of_objects",
    "recognise",
]

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
    allowed = frozenset(map(_origin, allow_origins))
    found = await _found(source, reader, selection, mlhub_root, allowed)
    return FollowSources(found, reader, allowed, first_time) if selection.follow_sources else found


async def _found(
    source: str, reader: RawReader, selection: Selection, mlhub_root: str, allowed: frozenset[str]
) -> Source:
    if source == "mlhub":
        return MlhubSource(reader, mlhub_root, selection, allowed)
    if source == "-":
        return of_stdin(selection)
    url = _url(source)
    path = url.partition("?")[0].lower()
    if path.endswith(_NOT_YET):
        raise UsageError(
            f"{urls.redacted(url)}: this kind of file cannot be read yet; unpack it, or give its catalogue"
        )
    if path.endswith(_LINES):
        return of_lines(reader, url, selection)
    return _of(await _root(reader, url), url, reader, selection, allowed)


def _of(
    document: Document, asked: str, reader: RawReader, selection: Selection, allowed: frozenset[str]
) -> Source:
    """1. items  2. an API's landing page  3. a catalogue or collection  4. none of them"""
    body = document.body
    where = urls.redacted(asked)
    if not isinstance(body, dict):
        raise SourceError(f"{where} is JSON, but not a STAC object", kind="not-stac")
    kind = body.get("type")
    if kind in ("FeatureCollection", "Feature"):
        return of_document(reader, document, selection, allowed)
    if _is_landing(body):
        return ApiSource(reader, document.url, body, selection, allowed)
    if kind in ("Catalog", "Collection") or "stac_version" in body:
        return StaticSource(reader, body, document.url, selection, allowed)
    raise SourceError(
        f"{where} is JSON, but neither a STAC API nor a catalogue, collection or item: "
        "give the address of one of these",
        kind="not-stac",
    )


def _is_landing(body: JsonObject) -> bool:
    """A collection with search links is still a collection."""
    if body.get("type") == "Collection":
        return False
    return isinstance(body.get("conformsTo"), list) or any(
        next(stac.links(body, rel), None) for rel in ("search", "data")
    )


async def _root(reader: RawReader, url: str) -> Document:
    where = urls.redacted(url)
    try:
        return await reader.read(Request(url))
    except Transient as error:
        raise CatalogError(f"{where} could not be read: {error.message}") from error
    except TransferError as error:
        if error.status in (401, 403):
            raise stac.refused(url, error.status) from error
        if error.kind == "not-json":
            raise SourceError(
                f"{where} is not JSON, so it is no catalogue: give the address of a STAC API, "
                "or of its JSON, not of a web page about it",
                kind="not-json",
            ) from error
        raise SourceError(f"{where} cannot be read: {error.message}", kind=error.kind) from error


def _url(source: str) -> str:
    """A URL as it is, a path as a file: URL, a folder as the catalogue in it."""
    if re.match(r"https?:|file:", source, re.IGNORECASE):
        return _parsed(source)
    if scheme := re.match(r"([a-z][a-z0-9+.-]+)://", source, re.IGNORECASE):
        raise UsageError(
            f"SOURCE {scheme[1]}://: object stores cannot be listed yet; give its https:// catalogue"
        )
    path = Path(source)
    if path.is_dir():
        return urls.from_path(_catalogue_in(path))
    if not path.exists():
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
