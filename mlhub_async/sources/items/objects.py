"""Python objects as items: dicts or objects of other libraries, one, several, or an iterable of them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from pathlib import Path
from typing import Any

from ... import stac
from ...core import urls
from ...core.errors import UsageError
from ...core.model import Asset, Item, JsonObject, Page
from ...core.options import Selection
from ...core.ports import Reader
from .documents import Batches, ItemsSource, records_of


def of_objects(given: Any, selection: Selection, reader: Reader | None = None) -> ItemsSource:
    """Items as dicts or as anything with `to_dict()` (pystac): one, an iterable of them, or a collection.

    Raises `UsageError` for anything else.
    """
    objects = _objects(given)

    async def batches() -> Batches:
        here = urls.from_path(Path.cwd()) + "/"
        async for one in _each(objects):
            body = one.to_dict() if hasattr(one, "to_dict") else one
            yield records_of(body, "objects"), _self_href(one) or here, Page()

    return ItemsSource("objects", batches, selection, reader=reader)


def _objects(given: Any) -> Iterable[Any] | AsyncIterable[Any]:
    """What was given, as an iterable: a single item is a list of one."""
    if hasattr(given, "get_items"):
        return given.get_items(recursive=True)  # type: ignore[no-any-return]  # a pystac catalogue
    if isinstance(given, dict) or (hasattr(given, "to_dict") and not isinstance(given, Iterable)):
        return [given]
    if isinstance(given, Iterable | AsyncIterable):
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
    else:
        for one in given:
            yield one


def assets(item: Any, keys: Iterable[str] | None = None) -> list[Asset]:
    """The assets of an item (a dict, or anything with `to_dict`, pystac's for example), in its order.

    `keys` picks some, in the order given; one that the item does not have raises `KeyError`.
    What is no item raises `UsageError`.
    """
    found = {asset.key: asset for asset in stac.assets_of(given_item(item))}
    return list(found.values()) if keys is None else [found[key] for key in keys]


def given_item(given: Any) -> Item:
    """The item in a dict, or in anything with `to_dict`. Raises `UsageError` if there is none."""
    body = given if isinstance(given, dict) else given.to_dict()
    found = stac.item_of(body, _self_link(body))
    if not isinstance(found, Item):
        raise UsageError(f"this is no STAC item: {found.error.message}")
    return found


def _self_link(body: JsonObject) -> str:
    return next((link["href"] for link in stac.links_of(body, "self")), "")
