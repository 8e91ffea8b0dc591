"""The last words on a run fit what happened in it."""

from pathlib import Path

import pytest

from mlhub_async.cli.actions.mirror import closing_lines
from mlhub_async.core.errors import CatalogError, LimitReached, StorageError, TransferError, Transient
from mlhub_async.core.model import Asset, Flaw, Job, Outcome, Page, Proof, Record, Status
from mlhub_async.engine.report.receipt import Report


def asset(n):
    return Asset("https://a.example/x", "data", f"i{n}", "c1")


def fetched(n, proof=Proof.CHECKSUM):
    record = Record(f"c1/i{n}/data", 1024, "00", 0, proof)
    return Outcome(Job(asset(n), record.path), Status.FETCHED, record, received=1024)


def failed(n, error):
    return Outcome(Job(asset(n), "c1/x"), Status.FAILED, error=error)


def report(*outcomes, ended=True):
    made = Report("source", Path("dest"), {}, "2020-01-01T00:00:00Z", seconds=2.0)
    made.listing.ended = ended
    for outcome in outcomes:
        made.selected += 1
        made.add(outcome)
    return made


def said(made):
    return "\n".join(closing_lines(made))


def test_a_complete_run_says_so_and_gives_no_advice():
    assert said(report(fetched(1), fetched(2, Proof.SIZE))).splitlines() == [
        "complete: 2 assets, 2.0 KiB in 2.0 s, 2.0 KiB transferred at 1.0 KiB/s (2 fetched, 0 already there)",
        "verified: 1 by checksum, 1 by size",
        "receipt: dest/.mlhub/receipt.json",
    ]


def test_nothing_selected_proves_nothing():
    assert "verified" not in said(report())


def test_a_copy_of_nothing_says_what_left_everything_out():
    made = report()
    assert "no item was listed that the selection admits" in said(made)
    made.filtered = 7
    assert "all 7 assets are left out by -i" in said(made)
    made.listing.ended = False
    assert "no item was listed" not in said(made)
    assert "nothing is selected" not in said(report(fetched(1)))


def test_five_failures_are_named_all_are_counted_by_class():
    errors = [TransferError("HTTP 404", kind="not-found")] * 6 + [Transient("slow", kind="timeout")]
    words = said(report(fetched(0), *(failed(n, error) for n, error in enumerate(errors, 1))))
    assert "7 assets are missing (6 not-found, 1 timeout)" in words
    assert words.count("HTTP 404") == 5 and "... and 2 more" in words
    assert "trying again will not bring these; the reasons are in dest/.mlhub/errors.jsonl" in words


@pytest.mark.parametrize(
    ("stopped", "advice"),
    [
        (None, "run the same command again"),
        (LimitReached("--max-transfer"), "a limit was reached: run the same command again to go on"),
        (StorageError("full"), "make room or choose another place"),
    ],
)
def test_the_advice_is_that_of_the_exit_code(stopped, advice):
    made = report(failed(1, Transient("slow")))
    made.stopped = stopped
    assert advice in said(made)


def test_a_listing_that_broke_off_is_told():
    made = report(ended=False)
    made.listing.error = CatalogError("page 3: HTTP 500")
    assert "the listing is not complete: it broke off: page 3: HTTP 500" in said(made)


def test_a_listing_that_gave_less_than_it_announced_is_told():
    made = report(fetched(1))
    made.listing.note([Page(matched=5, listing="c1")], 0)
    assert "the listing is not complete: c1 announced 5 items and gave 0" in said(made)


def test_a_record_that_cannot_be_used_is_named_once_and_harmless_ones_only_counted():
    made = report(fetched(1))
    made.add_flaw(Flaw("page 2", TransferError("page 2: not an item")))
    made.add_flaw(Flaw("source of x", TransferError("gone"), benign=True))
    words = said(made)
    assert "could not be used: 1\n  page 2: not an item\n" in words
    assert "1 source links lead nowhere" in words and "source of x" not in words


def test_text_of_the_catalogue_is_harmless_to_a_terminal():
    made = report(failed("\x1b[31m\n", TransferError("\x07\nforged: line")))
    assert "\x1b" not in said(made) and "\x07" not in said(made)
    assert not any(line.startswith("forged") for line in said(made).splitlines())
