"""What `plan` does: tells what a mirror would fetch, and writes the items down if that is wanted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ...core.options import Options
from ...core.progress import human
from ...core.telemetry import Events
from ...core.urls import term_safe
from ...engine.plan import Plan, plan_only
from ...engine.prune import foreseen
from ...engine.report.receipt import Pruned
from ...storage.local.disk_space import free_bytes
from ..console import Screen
from ..output import show, warning
from .closing import flaw_lines, pruned_lines, uncut_lines
from .saving import saving


def run_plan(source: str, dest: str, options: Options, screen: Screen, save: str | None) -> int:
    return screen.run(lambda: _planned(source, dest, options, screen, save))


async def _planned(source: str, dest: str, options: Options, screen: Screen, save: str | None) -> int:
    with saving(save) as keep:
        plan = await screen.watching(
            plan_only(source, options, meter=screen.meter, save=keep, environ=os.environ)
        )
    free = free_bytes(Path(dest))
    pruned, paths = foreseen(Path(dest), plan.listed, options) if options.prune else (Pruned(), [])
    if screen.as_json:
        told = {"prune": {**pruned.receipt(), "refused": pruned.refused, "paths": paths}}
        Events(screen.event).tell(
            "summary", **plan.summary(), free_bytes=free, **(told if options.prune else {})
        )
    else:
        show(_lines(plan, free))
        show(_going(pruned, paths) if options.prune else ())
        show(uncut_lines(plan.listing.uncut))
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
