"""`diff`, and the part of `mirror -n` that is about DEST: what would be fetched, replaced and pruned."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ...core.options import Options
from ...core.telemetry import Events, human_size
from ...core.urls import redacted, term_safe
from ...engine.planning.comparison import AssetChange, Change, OwnerChanges
from ...engine.planning.differences import Differences, diff
from ..terminal.console import Console
from ..terminal.output import print_lines, print_warning
from .summary import (
    MAX_TEXT_CHARS,
    announced_lines,
    flaw_lines,
    listing_lines,
    offered_lines,
    remark_lines,
)

_MARKS = {Change.KEEP: "=", Change.FETCH: "+", Change.LINK: "+", Change.REPLACE: "~", Change.REFUSE: "!"}
_WORDS = {
    Change.KEEP: "there already",
    Change.FETCH: "to fetch",
    Change.LINK: "to link to a file with the same URL",
    Change.REPLACE: "to replace",
    Change.REFUSE: "refused",
}
REMOVED = "remove"
"""The change, in JSON, of a file that is not in the catalogue any more."""


def run_diff(source: str, dest: str, options: Options, console: Console, *, fails: bool, every: bool) -> int:
    """`fails`: end with exit code 4 if something differs. `every`: print what is the same too."""
    return console.run(lambda: _diff(source, dest, options, console, fails=fails, every=every))


async def _diff(
    source: str, dest: str, options: Options, console: Console, *, fails: bool, every: bool
) -> int:
    events = Events(console.emit)

    def show(changes: OwnerChanges) -> None:
        if console.as_json:
            _emit(events, changes)
        elif every or changes.differs:
            print_lines(_owner_lines(changes, every))

    work = diff(source, dest, options, each=show, meter=console.meter, environ=os.environ)
    found = await console.show_progress(work)
    if console.as_json:
        for path in found.left_paths:
            events.emit("diff", change=REMOVED, path=path)
        events.emit("summary", **{**found.plan.summary(), **found.summary(), "exit_code": found.exit_code})
    else:
        print_lines(f"- {term_safe(path, MAX_TEXT_CHARS)}" for path in found.left_paths)
        print_lines(difference_lines(found))
        print_lines(remark_lines(found.plan.listing.remarks))
        print_lines(announced_lines(found.plan.listing))
    for line in _incompleteness_lines(found):
        print_warning(line)
    return found.exit_code or (4 if fails and found.differs else 0)


def _emit(events: Events, changes: OwnerChanges) -> None:
    """An event for each asset, and one for an item of which only the document would be another one."""
    about = {"collection": changes.collection, "item": changes.item or None}
    for asset, path, change, why in changes.assets:
        more = {"why": why} if why else {}
        href = redacted(asset.href)
        events.emit(
            "diff",
            change=change.value,
            **about,
            key=asset.key,
            path=path,
            total=asset.size,
            href=href,
            **more,
        )
    if changes.rewritten:
        events.emit("diff", change="rewrite", **about, key=None, path=changes.path)


def _owner_lines(changes: OwnerChanges, every: bool) -> Iterator[str]:
    """An item with its marks, and a line for each of its assets that differs."""
    marks = {_MARKS[one.change] for one in changes.assets} | ({"~"} if changes.rewritten else set())
    mark = marks.pop() if len(marks) == 1 else "~" if marks else "="
    name = term_safe("/".join(filter(None, (changes.collection, changes.item))), MAX_TEXT_CHARS)
    yield f"{mark} {name}" + (": its document would be written anew" if changes.rewritten else "")
    for asset in changes.assets:
        if every or asset.change is not Change.KEEP:
            yield f"    {_asset_text(asset)}"


def _asset_text(one: AssetChange) -> str:
    size = "" if one.asset.size is None else f" ({human_size(one.asset.size)})"
    why = f": {one.why}" if one.why else ""
    return f"{_MARKS[one.change]} {term_safe(one.path, MAX_TEXT_CHARS)}{size}{term_safe(why, MAX_TEXT_CHARS)}"


def difference_lines(found: Differences) -> Iterator[str]:
    """The counts, by what would be done."""
    where = term_safe(found.dest, MAX_TEXT_CHARS)
    if not found.is_mirror:
        yield f"{where} holds no mirror yet"
    counts = [_count(found, change) for change in Change if found.files[change]]
    yield f"{where}: {', '.join(counts) or 'nothing to fetch'}"
    if found.rewritten:
        yield f"{found.rewritten} items whose files are there are described otherwise: only their documents"
    if found.left_paths:
        kept = f"; {found.left.refused}" if found.left.refused else ""
        yield f"{len(found.left_paths)} files are not in the catalogue any more: --prune removes them{kept}"


def _count(found: Differences, change: Change) -> str:
    unknown = found.unknown_sizes[change]
    known = found.files[change] > unknown
    size = human_size(found.bytes[change]) if known else "of unknown size"
    more = f" and {unknown} of unknown size" if unknown and known else ""
    return f"{found.files[change]} {_WORDS[change]} ({size}{more})"


def _incompleteness_lines(found: Differences) -> Iterator[str]:
    yield from listing_lines(found.plan.listing)
    if found.plan.nothing_matched:
        yield from offered_lines(found.plan)
    yield from flaw_lines(found.plan.flaws)
