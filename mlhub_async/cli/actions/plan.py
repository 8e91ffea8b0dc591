"""`plan` and `mirror -n`: print what a mirror would fetch, and write the items to a file if asked to."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from ...core.errors import UsageError
from ...core.options import Options
from ...core.telemetry import Events, Meter, human_size
from ...core.urls import term_safe
from ...engine.connect import store_at
from ...engine.finish.prune import foreseen
from ...engine.planning.comparison import Change
from ...engine.planning.differences import Differences, diff
from ...engine.planning.plan import Plan, plan_only
from ...engine.planning.saved_plan import STDOUT, open_plan_file
from ...engine.report.receipt import Pruned
from ..terminal.console import Console
from ..terminal.output import check_stdout, print_lines, print_message, print_warning, safe_line
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

if TYPE_CHECKING:
    from ...engine.planning.forecast.needs import Needs
    from ...engine.report.rates import Numbers


class _Common(TypedDict):
    """Arguments of a plan, with DEST or without."""

    meter: Meter
    environ: Mapping[str, str]
    forecast: bool


def run_plan(
    source: str, dest: str | None, options: Options, console: Console, save: str | None, *, forecast: bool
) -> int:
    """`dest` is only looked at, and compared with the catalogue; None: there is none. `forecast`: with a
    sample of sizes."""
    if save == STDOUT and console.as_json:
        raise UsageError("--save - and --json both write to stdout: leave one of them out")
    if save is not None and save != STDOUT and _is_same_file(source, save):
        raise UsageError(f"--save {term_safe(save, 300)} is SOURCE itself: give another name")
    return console.run(lambda: _plan(source, dest, options, console, save, forecast=forecast))


def _is_same_file(source: str, save: str) -> bool:
    try:
        return os.path.samefile(source, save)
    except (OSError, ValueError):
        return False


async def _plan(
    source: str, dest: str | None, options: Options, console: Console, save: str | None, *, forecast: bool
) -> int:
    found: Differences | None = None
    common: _Common = {"meter": console.meter, "environ": os.environ, "forecast": forecast}
    with check_stdout(), open_plan_file(save) as save_item:
        if dest is None:
            plan = await console.show_progress(plan_only(source, options, save=save_item, **common))
        else:
            found = await console.show_progress(diff(source, dest, options, save=save_item, **common))
            plan = found.plan
    dest = dest or "."
    store = store_at(Path(dest), options)
    free = store.free_bytes()
    needs = _needs(plan, Path(dest), store, options)
    pruned, paths = foreseen(Path(dest), store, plan.listed, options) if options.prune else (Pruned(), [])
    if console.as_json:
        prune = {"prune": {**pruned.receipt(), "refused": pruned.refused, "paths": paths}}
        difference = {"compared": found.summary()} if found is not None else {}
        fields = {**plan.summary(), "free_bytes": free, **(prune if options.prune else {}), **difference}
        if needs is not None:
            fields |= {"forecast": {**fields["forecast"], **needs.summary()}}
        Events(console.emit).emit("summary", **fields)
    else:
        show = _to_stderr if save == STDOUT else print_lines
        show(_count_lines(plan))
        show(difference_lines(found) if found is not None and found.is_mirror else ())
        show([_space_line(plan, free, found)] if needs is None else needs.lines(free))
        show(_prune_lines(pruned, paths) if options.prune else ())
        show(remark_lines(plan.listing.remarks))
        show(announced_lines(plan.listing))
    for line in _incompleteness_lines(plan):
        print_warning(line)
    return plan.exit_code or (4 if pruned.refused and not plan.nothing_matched else 0)


def _to_stderr(lines: Iterable[str]) -> None:
    """The counts, where the items are on stdout."""
    for line in lines:
        print_message(safe_line(line))


def _needs(plan: Plan, dest: Path, store: Numbers, options: Options) -> Needs | None:
    """What the files of a forecast need in DEST. None: there is no forecast."""
    if plan.forecast is None:
        return None
    from ...engine.planning.forecast.needs import Needs

    documents = 2 * (plan.items + len(plan.by_collection))
    return Needs.of(plan.forecast, documents, store, dest, options)


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
