"""Python objects as items: dicts or objects of other libraries, one, several, or an iterable of them."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ... import stac
from ...core import urls
from ...core.concurrency import ThreadPool
from ...core.errors import UsageError
from ...core.model import Asset, Item, JsonObject, Page, Record
from ...core.options import Selection, as_tuple
from .documents import Batches, ItemsSource, records_of

if TYPE_CHECKING:
    from ...core.ports import Reader

TAKE_ITEMS = 100
TAKE_SECONDS = 0.05
"""Items of an iterator are handed over in batches of this size, or after this time."""


def of_objects(given: Any, selection: Selection, reader: Reader | None = None) -> ItemsSource:
    """Items as dicts or as anything with `to_dict()` (pystac): one, an iterable of them, or a collection.

    Raises `UsageError` for anything else.
    """
    objects = _objects(given)

    async def batches() -> Batches:
        here = urls.from_path(Path.cwd()) + "/"
        async for one in _each(objects):
            if isinstance(one, Item):
                yield [one.body], one.href or here, Page()
                continue
            body = one.to_dict() if hasattr(one, "to_dict") else one
            yield records_of(body, "objects"), _self_href(one) or here, Page()

    return ItemsSource("objects", batches, selection, reader=reader)


def _objects(given: Any) -> Iterable[Any] | AsyncIterable[Any]:
    """What was given, as an iterable: a single item is a list of one."""
    if hasattr(given, "get_items"):
        return given.get_items(recursive=True)  # type: ignore[no-any-return]  # a pystac catalogue
    if isinstance(given, dict | Item) or (hasattr(given, "to_dict") and not isinstance(given, Iterable)):
        return [given]
    if isinstance(given, Iterable | AsyncIterable) and not isinstance(
        given, Asset | Record | bytes | bytearray
    ):
        return given
    raise UsageError(
        f"a source is a SOURCE of the command line as text, or STAC items, not {type(given).__name__}"
    )


def _self_href(given: Any) -> str:
    """Where a pystac object says that it was read: its relative hrefs are relative to that."""
    href = given.get_self_href() if hasattr(given, "get_self_href") else None
    if not isinstance(href, str) or not href:
        return ""
    return href if re.match(r"(https?|file)://", href, re.IGNORECASE) else urls.from_path(Path(href))


async def _each(given: Iterable[Any] | AsyncIterable[Any]) -> AsyncIterator[Any]:
    if isinstance(given, AsyncIterable):
        async for one in given:
            yield one
    elif isinstance(given, list | tuple):
        for one in given:
            yield one
    else:
        async for one in _each_in_thread(iter(given)):
            yield one


async def _each_in_thread(given: Iterator[Any]) -> AsyncIterator[Any]:
    """The items of an iterator that may wait for a server (a search of pystac-client), read in a thread.

    It is one thread for all of them: the iterator may hold a connection of a thread. After a cancellation
    the thread ends when the iterator has given the item that it was asked for.
    """
    thread = ThreadPool(1, thread_name_prefix="mlhub-items")
    try:
        ended: Exception | None = None
        while ended is None:
            batch, ended = await asyncio.get_running_loop().run_in_executor(thread, _take, given)
            for one in batch:
                yield one
    finally:
        thread.shutdown(wait=False, cancel_futures=True)
    if not isinstance(ended, StopIteration):
        raise ended


def _take(given: Iterator[Any]) -> tuple[list[Any], Exception | None]:
    """Some items: at most `TAKE_ITEMS`, within `TAKE_SECONDS`; and what ended the iterator."""
    taken: list[Any] = []
    until = time.monotonic() + TAKE_SECONDS
    try:
        while len(taken) < TAKE_ITEMS and time.monotonic() < until:
            taken.append(next(given))
    except Exception as error:
        return taken, error
    return taken, None


def assets(item: Any, keys: Iterable[str] | None = None) -> list[Asset]:
    """The assets of an item (a dict, an `Item`, or anything with `to_dict`, as of pystac), in its order.

    `keys` picks some, in the order given. Raises `UsageError` for one that the item does not have, and for
    what is no item.

        >>> item = {"id": "one", "assets": {"labels": {"href": "https://host.example/one.tif"}}}
        >>> [asset.key for asset in mlhub_async.assets(item)]
        ['labels']
    """
    owner = given_item(item)
    found = {asset.key: asset for asset in stac.assets_of(owner)}
    wanted = list(found) if keys is None else list(as_tuple(keys))
    for key in wanted:
        if key not in found:
            raise UsageError(f"item {owner.id!r} has no asset {key!r}; its assets are: {', '.join(found)}")
    return [found[key] for key in wanted]


def given_item(given: Any) -> Item:
    """The item in a dict, or in anything with `to_dict`. Raises `UsageError` if there is none."""
    if isinstance(given, Item):
        return given
    body = given.to_dict() if hasattr(given, "to_dict") else given
    if not isinstance(body, dict):
        raise UsageError(f"this is no STAC item, but {type(given).__name__}")
    found = stac.item_of(body, _self_link(body))
    if not isinstance(found, Item):
        raise UsageError(f"this is no STAC item: {found.error.message}")
    return found


def _self_link(body: JsonObject) -> str:
    return next((link["href"] for link in stac.links_of(body, "self")), "")
