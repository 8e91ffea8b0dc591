"""The closing lines of a run: counts, proofs, what is missing and why, what to do next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ...core.model import Flaw, ListingRemarks, Outcome, Proof
from ...core.telemetry import human_size
from ...core.urls import term_safe
from ...engine.report.completeness import Completeness
from ...engine.report.receipt import Kept, Pruned, Report

if TYPE_CHECKING:
    from ...engine.planning.plan import Plan

MAX_EXAMPLES = 5
MAX_TEXT_CHARS = 300
MAX_LINE_CHARS = 500

_ADVICE = {
    4: "running it again will not bring these; the reasons are in {errors}",
    5: "what is missing may be available later: run the same command again",
    7: "free some space or choose another DEST, then run the same command again",
    9: "exit code 9; with --allow-empty it is 0",
    8: "a limit was reached: run the same command again to continue",
}
"""By exit code."""
_WAITS = {
    "cpu": "the processor was busy, with this program or others",
    "disk": "it waited for the disk of DEST",
    "own-limit": "it waited for its own limit (--bwlimit, --tpslimit)",
    "server-limit": "hosts had asked it to wait, or refused requests for their number: "
    "--tpslimit just below their rate may help",
    "latency": "it waited for answers to begin: more transfers at a time (-j) may help",
    "bandwidth": "it waited for the bytes of answers: network or server",
    "listing": "it waited for the catalogue to be listed",
}
"""By `engine.report.bottleneck.Cause`."""
_KEPT = {
    Kept.NOT_LISTED: "of collections that were not listed, such as scenes of labels that left",
    Kept.NOT_SELECTED: "of assets that were not selected",
    Kept.OTHER_SOURCE: "of other sources",
}


def closing_lines(report: Report) -> Iterator[str]:
    """What is printed at the end of a mirror, safe for a terminal."""
    yield _counts(report)
    if report.selected:
        yield _proofs(report)
        yield from _references(report)
    elif report.nothing_matched:
        yield from offered_lines(report)
    yield from _speed(report)
    yield from _basis(report)
    yield from _listing(report)
    yield from pruned_lines(report.pruned, "were")
    yield from _missing(report)
    if report.exit_code in _ADVICE:
        errors = _shown(report.errors_path)
        yield _ADVICE[report.exit_code].format(errors=errors)
    yield f"receipt: {_shown(report.receipt_path)}"


def offered_lines(result: Report | Plan) -> Iterator[str]:
    """What there is, where nothing matched."""
    for line in result.offered_lines():
        yield term_safe(line, MAX_LINE_CHARS)


def _basis(report: Report) -> Iterator[str]:
    """With --full-every: what was listed, and why."""
    basis = report.basis
    carried = f"{basis.get('carried')} items are taken over from the listing before"
    if basis.get("kind") == "same-version":
        yield f"listed: nothing, as the hub names the same commit; {carried}"
    elif basis.get("kind") == "conditional":
        yield f"listed: everything, with {basis['not_modified']} documents that have not changed; {carried}"
    elif basis.get("kind") == "changes":
        yield f"listed: what the API says was updated since {basis['since']}; {carried}"
    elif basis:
        yield f"listed: everything, as {_shown(basis['because'])}"


def _shown(text: object) -> str:
    return term_safe(text, MAX_TEXT_CHARS)


def _counts(report: Report) -> str:
    verdict = "complete" if report.ok else "nothing matched" if report.nothing_matched else "not complete"
    rate = report.received / report.seconds if report.seconds else 0
    speed = f", {human_size(report.received)} transferred at {human_size(rate)}/s" if report.received else ""
    others = (
        (report.failures, "failed"),
        (report.filtered, "filtered out"),
        (report.duplicates, "duplicates"),
        (report.absent, "absent, as chunks of Zarr arrays may be"),
    )
    counts = [f"{report.fetched} fetched", f"{report.skipped} already there"]
    counts += [f"{n} {what}" for n, what in others if n]
    return (
        f"{verdict}: {report.selected} assets, {human_size(report.bytes)} in {report.seconds:.1f} s{speed}"
        f" ({', '.join(counts)})"
    )


def _speed(report: Report) -> Iterator[str]:
    """Retries, and in one sentence why the run was no faster."""
    if report.retries:
        asked = f", {report.throttles} because a host asked to wait" if report.throttles else ""
        yield f"{report.retries} retries{asked}"
    for cause, share in list(report.waits.items())[:1]:
        yield f"why it was no faster: {share:.0%} of the time {_WAITS[cause]}"
    if report.slowest_host is not None and report.waits:
        name, share = report.slowest_host
        yield f"slowest host: {_shown(name)}, {share:.0%} of the time of all transfers"


def _proofs(report: Report) -> str:
    kinds = (
        (Proof.CHECKSUM, "by checksum"),
        (Proof.SIZE, "by size"),
        (Proof.NONE, "with nothing to verify against"),
    )
    counts = [f"{report.proofs[proof]} {how}" for proof, how in kinds if report.proofs[proof]]
    return "verified: " + (", ".join(counts) or "nothing")


def _references(report: Report) -> Iterator[str]:
    """What other mirrors gave, and why they did not give the rest."""
    for name, count in report.references.items():
        failed = [f"{n} failed ({term_safe(kind)})" for kind, n in count.failed.most_common()]
        given = f"{count.files} files, {human_size(count.bytes)}"
        yield f"from the reference {_shown(name)}: {', '.join([given, *failed])}"


def _listing(report: Report) -> Iterator[str]:
    listing = report.listing
    yield from listing_lines(listing) if listing.ended or listing.error is not None else ()
    yield from remark_lines(listing.remarks)
    yield from announced_lines(listing)
    if listing.vanished:
        yield f"{listing.vanished} items left the catalogue while it was listed: their files are kept"
    yield from _benign(report)


def _benign(report: Report) -> Iterator[str]:
    """What leads nowhere and leaves the copy complete: links by their number, anything else by its reason."""
    benign = [flaw.error for flaw in report.flaws if flaw.benign]
    others = [error for error in benign if not error.kind.startswith("dangling-")]
    if links := report.dangling - len(others):
        yield f"{links} source links lead nowhere: reported, not counted as missing"
    for error in others[:MAX_EXAMPLES]:
        yield term_safe(f"{error.message}: reported, not counted as missing", MAX_LINE_CHARS)


def listing_lines(listing: Completeness) -> Iterator[str]:
    """Why a listing is not complete, without the records that could not be used: see `flaw_lines`."""
    for reason in listing.reasons:
        if reason not in listing.flaws:
            yield f"the listing is not complete: {_shown(reason)}"


def announced_lines(listing: Completeness) -> Iterator[str]:
    """Listings that are taken for complete though they announced more."""
    for name, one in listing.accepted[:MAX_EXAMPLES]:
        shown = term_safe(name or "the source")
        yield f"{shown} announced {one.most} items and gave {one.found}, the same ones each time it was read"


def remark_lines(remarks: ListingRemarks) -> Iterator[str]:
    """Remarks of the source on its listing, such as why --split had no effect; a few lines at most."""
    for line in remarks.lines[:MAX_EXAMPLES]:
        yield term_safe(line, MAX_LINE_CHARS)


def pruned_lines(pruned: Pruned, were: str) -> Iterator[str]:
    """What --prune removed ("were") or would remove ("would be")."""
    if pruned.assets or pruned.items:
        counts = f"{pruned.assets} assets and {pruned.items} items, {human_size(pruned.bytes)}"
        yield f"pruned: {counts} {were} removed, because they are not in the catalogue any more"
    if pruned.kept:
        examples = ", ".join(map(_shown, pruned.examples))
        yield f"{pruned.kept} files that left the catalogue were changed here and are kept, e.g. {examples}"
    others = pruned.kept_by_scope
    kept = [f"{others[reason]} {words}" for reason, words in _KEPT.items() if others[reason]]
    if kept:
        yield f"files that this run did not list are kept: {', '.join(kept)}"


def _missing(report: Report) -> Iterator[str]:
    if report.failures:
        kinds = Counter(outcome.error.kind for outcome in report.failed if outcome.error is not None)
        classes = ", ".join(f"{n} {term_safe(kind)}" for kind, n in kinds.most_common())
        yield f"{report.failures} assets are missing ({classes})"
    yield from map(_failure, report.failed[:MAX_EXAMPLES])
    if report.failures > MAX_EXAMPLES:
        yield f"  ... and {report.failures - MAX_EXAMPLES} more"
    for advice, count in report.advice.most_common(MAX_EXAMPLES):
        yield term_safe(f"{count} assets need a login: {advice}", MAX_LINE_CHARS)
    yield from flaw_lines(report.flaws, report.flaw_count)


def flaw_lines(flaws: Sequence[Flaw], count: int | None = None) -> Iterator[str]:
    """Records of the catalogue that make the copy incomplete: their number, and a few by name."""
    serious = [flaw for flaw in flaws if not flaw.benign]
    if serious:
        yield f"records of the catalogue that could not be used: {count or len(serious)}"
    for flaw in serious[:MAX_EXAMPLES]:
        message = flaw.error.message
        yield "  " + term_safe(
            message if flaw.where in message else f"{flaw.where}: {message}", MAX_LINE_CHARS
        )


def _failure(outcome: Outcome) -> str:
    asset = "/".join(term_safe(part) for part in outcome.job.asset.identity if part)
    reason = outcome.error.message if outcome.error is not None else "for an unknown reason"
    return f"  {asset}: {_shown(reason)}"
