"""What `mirror` does, from `Options` to the last line on the screen."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from ...core.model import Flaw, ListingRemarks, Outcome, Proof
from ...core.options import Options
from ...core.telemetry import human
from ...core.urls import term_safe
from ...engine.mirror import mirror
from ...engine.report.receipt import Pruned, Report
from ..console import Console

EXAMPLES = 5

_ADVICE = {
    4: "trying again will not bring these; the reasons are in {errors}",
    5: "what is missing is temporary: run the same command again",
    7: "make room or choose another place, then run the same command again",
    8: "a limit was reached: run the same command again to go on",
}


def run_mirror(source: str, dest: str, options: Options, screen: Console) -> int:
    return screen.run(lambda: copied(source, dest, options, screen, os.environ))


async def copied(
    source: str, dest: str, options: Options, screen: Console, environ: Mapping[str, str]
) -> int:
    """Mirror, and say what became of it. Returns the exit code."""
    report = await screen.watching(
        mirror(source, dest, options, meter=screen.meter, events=screen.listener, environ=environ)
    )
    for line in closing_lines(report):
        (screen.say if report.ok else screen.warn)(line)
    return report.exit_code


def closing_lines(report: Report) -> Iterator[str]:
    yield _counts(report)
    if report.selected:
        yield _proofs(report)
    elif report.filtered:
        yield f"nothing is selected: all {report.filtered} assets are left out by -i, -x, --role and the like"
    elif report.ok and not report.listing.unique:
        yield "nothing is selected: no item was listed that the selection admits"
    yield from _listing(report)
    yield from pruned_lines(report.pruned, "were")
    yield from _missing(report)
    if report.exit_code in _ADVICE:
        errors = term_safe(report.receipt_path.with_name("errors.jsonl"), 300)
        yield _ADVICE[report.exit_code].format(errors=errors)
    yield f"receipt: {term_safe(report.receipt_path, 300)}"


def _counts(report: Report) -> str:
    verdict = "complete" if report.ok else "not complete"
    rate = report.received / report.seconds if report.seconds else 0
    speed = f", {human(report.received)} transferred at {human(rate)}/s" if report.received else ""
    left_out = (
        (report.failures, "failed"),
        (report.filtered, "filtered out"),
        (report.duplicates, "duplicates"),
    )
    counts = [f"{report.fetched} fetched", f"{report.skipped} already there"]
    counts += [f"{n} {what}" for n, what in left_out if n]
    return (
        f"{verdict}: {report.selected} assets, {human(report.bytes)} in {report.seconds:.1f} s{speed}"
        f" ({', '.join(counts)})"
    )


def _proofs(report: Report) -> str:
    ways = (
        (Proof.CHECKSUM, "by checksum"),
        (Proof.SIZE, "by size"),
        (Proof.NONE, "with nothing to verify against"),
    )
    told = [f"{report.proofs[proof]} {how}" for proof, how in ways if report.proofs[proof]]
    return "verified: " + (", ".join(told) or "nothing")


def _listing(report: Report) -> Iterator[str]:
    listing = report.listing
    for reason in listing.reasons if listing.ended or listing.error is not None else ():
        yield f"the listing is not complete: {term_safe(reason, 300)}"
    yield from remark_lines(listing.remarks)
    if listing.vanished:
        yield f"{listing.vanished} items left the catalogue while it was read: what came of them stays"
    if report.dangling:
        yield f"{report.dangling} source links lead nowhere: reported, not counted as missing"


def remark_lines(remarks: ListingRemarks) -> Iterator[str]:
    for line in remarks.lines[:EXAMPLES]:
        yield term_safe(line, 330)


def pruned_lines(pruned: Pruned, were: str) -> Iterator[str]:
    if pruned.assets or pruned.items:
        counts = f"{pruned.assets} assets and {pruned.items} items, {human(pruned.bytes)}"
        yield f"pruned: {counts} {were} removed, which the catalogue does not have any more"
    if pruned.kept:
        examples = ", ".join(term_safe(path, 300) for path in pruned.examples)
        yield f"{pruned.kept} files that left the catalogue were changed here and stay, e.g. {examples}"


def _missing(report: Report) -> Iterator[str]:
    if report.failures:
        kinds = Counter(outcome.error.kind for outcome in report.failed if outcome.error is not None)
        classes = ", ".join(f"{n} {term_safe(kind)}" for kind, n in kinds.most_common())
        yield f"{report.failures} assets are missing ({classes})"
    yield from map(_failure, report.failed[:EXAMPLES])
    if report.failures > EXAMPLES:
        yield f"  ... and {report.failures - EXAMPLES} more"
    yield from flaw_lines(report.flaws, report.flaw_count)


def flaw_lines(flaws: Sequence[Flaw], count: int | None = None) -> Iterator[str]:
    """Records of the catalogue that make the copy incomplete: how many, and a few by name."""
    serious = [flaw for flaw in flaws if not flaw.benign]
    if serious:
        yield f"records of the catalogue that could not be used: {count or len(serious)}"
    for flaw in serious[:EXAMPLES]:
        message = flaw.error.message
        yield "  " + term_safe(message if flaw.where in message else f"{flaw.where}: {message}", 500)


def _failure(outcome: Outcome) -> str:
    where = "/".join(term_safe(part) for part in outcome.job.asset.identity if part)
    why = outcome.error.message if outcome.error is not None else "no reason is known"
    return f"  {where}: {term_safe(why, 300)}"
