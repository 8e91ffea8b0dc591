"""How a plan is written down: the items of a listing as one file that is a SOURCE again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from ... import stac
from ...core.errors import StorageError
from ...core.model import Item, JsonObject
from ...engine.plan import Hide, Save
from ...stac.write.encode import encode_fetchable

LINES = (".ndjson", ".jsonl")


@contextmanager
def saving(path: str | None) -> Iterator[Save]:
    """What takes the items of a plan; the file is there only if all of them came. None: kept nowhere.

    It is for its owner alone, since its URLs have the tokens in them without which nothing could be fetched.
    """
    if path is None:
        yield lambda item, hide: None
        return
    draft = f"{path}.draft-{os.getpid()}"
    try:
        with open(draft, "xb", opener=_private) as file:
            save = _Lines(file) if path.lower().endswith(LINES) else _Together(file)
            yield save.item
            save.end()
        os.replace(draft, path)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}") from None
    finally:
        if os.path.exists(draft):
            os.unlink(draft)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


class _Lines:
    """One item a line."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def item(self, item: Item, hide: Hide) -> None:
        self._file.write(encode_fetchable(portable(item), hide) + b"\n")

    def end(self) -> None:
        """A line ends by itself."""


class _Together:
    """A FeatureCollection, as STAC clients save their searches."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._before = b'{"type":"FeatureCollection","features":[\n'

    def item(self, item: Item, hide: Hide) -> None:
        self._file.write(self._before + encode_fetchable(portable(item), hide))
        self._before = b",\n"

    def end(self) -> None:
        self._file.write((self._before if self._before != b",\n" else b"") + b"\n]}\n")


def portable(item: Item) -> JsonObject:
    """The item's body with hrefs that mean the same wherever it lies."""
    body = {**item.body, "collection": item.collection}
    assets = body.get("assets")
    if isinstance(assets, dict):
        body["assets"] = {key: _with_href(asset, item.href) for key, asset in assets.items()}
    links = body.get("links")
    if isinstance(links, list):
        body["links"] = [_with_href(link, item.href) for link in links]
    return body


def _with_href(holder: Any, base: str) -> Any:
    if not isinstance(holder, dict) or not isinstance(holder.get("href"), str):
        return holder
    return {**holder, "href": stac.resolved(holder["href"], base)}
