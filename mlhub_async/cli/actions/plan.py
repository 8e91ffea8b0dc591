"""What `plan` does: tells what a mirror would fetch, and writes the items down if that is wanted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from ... import stac
from ...core.errors import StorageError
from ...core.model import Item, JsonObject
from ...core.options import Options
from ...core.telemetry import Events, human
from ...core.urls import term_safe
from ...engine.plan import Hide, Plan, Save, plan_only
from ...engine.prune import foreseen
from ...engine.report.receipt import Pruned
from ...sources.recognise import is_ndjson
from ...stac.write.encode import encode_fetchable
from ...storage.local.disk_space import free_bytes
from ..console import Console
from ..output import show, warning
from .mirror import flaw_lines, pruned_lines, remark_lines


def run_plan(source: str, dest: str, options: Options, screen: Console, save: str | None) -> int:
    return screen.run(lambda: _planned(source, dest, options, screen, save))


async def _planned(source: str, dest: str, options: Options, screen: Console, save: str | None) -> int:
    with saving(save) as keep:
        plan = await screen.watching(
            plan_only(source, options, meter=screen.meter, save=keep, environ=os.environ)
        )
    free = free_bytes(Path(dest))
    pruned, paths = foreseen(Path(dest), plan.listed, options) if options.prune else (Pruned(), [])
    if screen.as_json:
        told = {"prune": {**pruned.receipt(), "refused": pruned.refused, "paths": paths}}
        Events(screen.event).emit(
            "summary", **plan.summary(), free_bytes=free, **(told if options.prune else {})
        )
    else:
        show(_lines(plan, free))
        show(_going(pruned, paths) if options.prune else ())
        show(remark_lines(plan.listing.remarks))
    for line in _doubts(plan):
        warning(line)
    return plan.exit_code or (4 if pruned.refused else 0)


def _going(pruned: Pruned, paths: list[str]) -> Iterator[str]:
    yield from (f"would remove {term_safe(path, 300)}" for path in paths)
    if pruned.refused:
        yield f"would prune nothing: {pruned.refused}"
    yield from pruned_lines(pruned, "would be")


def _lines(plan: Plan, free: int) -> Iterator[str]:
    for name, assets in plan.by_collection.items():
        yield f"{term_safe(name)}: {assets} assets"
    filtered = f", {plan.filtered} more filtered out" if plan.filtered else ""
    yield f"in all: {plan.items} items, {plan.assets} assets, {_size(plan)}{filtered}"
    enough = "perhaps enough" if plan.unknown_sizes else "enough"
    yield f"disk: {human(free)} free, {enough if plan.known_bytes <= free else 'too little'}"


def _size(plan: Plan) -> str:
    if plan.assets and plan.unknown_sizes == plan.assets:
        return "of unknown size"
    more = f" and {plan.unknown_sizes} files of unknown size" if plan.unknown_sizes else ""
    return human(plan.known_bytes) + more


def _doubts(plan: Plan) -> Iterator[str]:
    """Why a mirror would not be complete."""
    for reason in plan.listing.reasons:
        yield f"the listing is not complete: {term_safe(reason, 300)}"
    yield from flaw_lines(plan.flaws)


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
            save = _Lines(file) if is_ndjson(path) else _Together(file)
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
