"""`plan` and `mirror -n`: print what a mirror would fetch, and write the items to a file if asked to."""

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
from ...core.telemetry import Events, human_size
from ...core.urls import term_safe
from ...engine.connect import store_at
from ...engine.planning.comparison import Change
from ...engine.planning.differences import Differences, diff
from ...engine.planning.plan import HideSecrets, Plan, Save, plan_only
from ...engine.prune import foreseen
from ...engine.report.receipt import Pruned
from ...sources.recognise import is_ndjson
from ...stac.write.encode import encode_fetchable
from ..console import Console
from ..output import print_lines, print_warning
from .diff import difference_lines
from .summary import (
    MAX_TEXT_CHARS,
    announced_lines,
    flaw_lines,
    listing_lines,
    offered_lines,
    pruned_lines,
    remark_lines,
)


def run_plan(source: str, dest: str | None, options: Options, console: Console, save: str | None) -> int:
    """`dest` is only looked at, and compared with the catalogue; None: there is none."""
    return console.run(lambda: _plan(source, dest, options, console, save))


async def _plan(source: str, dest: str | None, options: Options, console: Console, save: str | None) -> int:
    found: Differences | None = None
    with open_plan_file(save) as save_item:
        if dest is None:
            work = plan_only(source, options, meter=console.meter, save=save_item, environ=os.environ)
            plan = await console.show_progress(work)
        else:
            found = await console.show_progress(
                diff(source, dest, options, meter=console.meter, save=save_item, environ=os.environ)
            )
            plan = found.plan
    dest = dest or "."
    store = store_at(Path(dest), options)
    free = store.free_bytes()
    pruned, paths = foreseen(Path(dest), store, plan.listed, options) if options.prune else (Pruned(), [])
    if console.as_json:
        prune = {"prune": {**pruned.receipt(), "refused": pruned.refused, "paths": paths}}
        compared = {"compared": found.summary()} if found is not None else {}
        fields = {**plan.summary(), "free_bytes": free, **(prune if options.prune else {}), **compared}
        Events(console.emit).emit("summary", **fields)
    else:
        print_lines(_count_lines(plan))
        print_lines(difference_lines(found) if found is not None and found.is_mirror else ())
        print_lines([_space_line(plan, free, found)])
        print_lines(_prune_lines(pruned, paths) if options.prune else ())
        print_lines(remark_lines(plan.listing.remarks))
        print_lines(announced_lines(plan.listing))
    for line in _incompleteness_lines(plan):
        print_warning(line)
    return plan.exit_code or (4 if pruned.refused and not plan.nothing_matched else 0)


def _prune_lines(pruned: Pruned, paths: list[str]) -> Iterator[str]:
    yield from (f"would remove {term_safe(path, MAX_TEXT_CHARS)}" for path in paths)
    if pruned.refused:
        yield f"would prune nothing: {pruned.refused}"
    yield from pruned_lines(pruned, "would be")


def _count_lines(plan: Plan) -> Iterator[str]:
    for name, assets in plan.by_collection.items():
        yield f"{term_safe(name)}: {assets} assets"
    filtered = f", {plan.filtered} more filtered out" if plan.filtered else ""
    yield f"total: {plan.items} items, {plan.assets} assets, {_size(plan)}{filtered}"
    if plan.urls < plan.assets:
        known = f", {human_size(plan.url_bytes)} of known size" if plan.url_bytes else ""
        yield f"these assets have {plan.urls} different URLs{known}: each is fetched once"


def _space_line(plan: Plan, free: int, found: Differences | None) -> str:
    """Whether there is room for what would be fetched. A file is replaced when its new bytes are there."""
    needed, unknown = plan.url_bytes, plan.unknown_sizes
    if found is not None:
        fetched = (Change.FETCH, Change.REPLACE)
        needed = sum(found.bytes[change] for change in fetched)
        unknown = sum(found.unknown_sizes[change] for change in fetched)
    enough = "perhaps enough" if unknown else "enough"
    return f"disk: {human_size(free)} free, {enough if needed <= free else 'not enough'}"


def _size(plan: Plan) -> str:
    if plan.assets and plan.unknown_sizes == plan.assets:
        return "of unknown size"
    more = f" and {plan.unknown_sizes} files of unknown size" if plan.unknown_sizes else ""
    return human_size(plan.known_bytes) + more


def _incompleteness_lines(plan: Plan) -> Iterator[str]:
    """Why a mirror would not be complete."""
    yield from listing_lines(plan.listing)
    if plan.nothing_matched:
        yield from offered_lines(plan)
    yield from flaw_lines(plan.flaws)


@contextmanager
def open_plan_file(path: str | None) -> Iterator[Save]:
    """Yields a function that writes one item; the file gets its name only if the listing came to its end.

    Only the owner can read it (mode 600): its URLs contain the tokens that fetching needs. With None
    nothing is written. Raises `StorageError` if the file cannot be written.
    """
    if path is None:
        yield lambda item, hide: None
        return
    draft = f"{path}.draft-{os.getpid()}"
    try:
        with open(draft, "xb", opener=_open_private) as file:
            writer = _LineWriter(file) if is_ndjson(path) else _FeatureCollectionWriter(file)
            yield writer.write
            writer.finish()
        os.replace(draft, path)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}") from None
    finally:
        if os.path.exists(draft):
            os.unlink(draft)


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


class _LineWriter:
    """Writes one item per line."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, item: Item, hide: HideSecrets) -> None:
        self._file.write(encode_fetchable(with_absolute_hrefs(item), hide) + b"\n")

    def finish(self) -> None:
        """Nothing to do: every line is complete."""


class _FeatureCollectionWriter:
    """Writes a FeatureCollection, as STAC clients save searches."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._separator = b'{"type":"FeatureCollection","features":[\n'

    def write(self, item: Item, hide: HideSecrets) -> None:
        self._file.write(self._separator + encode_fetchable(with_absolute_hrefs(item), hide))
        self._separator = b",\n"

    def finish(self) -> None:
        self._file.write((self._separator if self._separator != b",\n" else b"") + b"\n]}\n")


def with_absolute_hrefs(item: Item) -> JsonObject:
    """The body of an item whose hrefs do not depend on where the document is."""
    body = {**item.body, "collection": item.collection}
    assets = body.get("assets")
    if isinstance(assets, dict):
        body["assets"] = {key: _with_absolute_href(asset, item.href) for key, asset in assets.items()}
    links = body.get("links")
    if isinstance(links, list):
        body["links"] = [_with_absolute_href(link, item.href) for link in links]
    return body


def _with_absolute_href(owner: Any, base: str) -> Any:
    """`owner` is an asset or a link, or whatever else the catalogue has in its place."""
    if not isinstance(owner, dict) or not isinstance(owner.get("href"), str):
        return owner
    return {**owner, "href": stac.resolve(owner["href"], base)}
