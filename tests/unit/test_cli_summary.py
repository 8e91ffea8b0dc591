"""The closing lines of a run: counts, proofs, failures and the advice for each exit code."""

from pathlib import Path

import pytest

from mlhub_async.cli.actions.summary import closing_lines
from mlhub_async.core.errors import CatalogError, LimitReached, StorageError, TransferError, Transient
from mlhub_async.core.model import Asset, Flaw, Item, Job, Outcome, Page, Proof, Record, Status
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
        made.add([outcome])
    return made


def closing_text(made):
    return "\n".join(closing_lines(made))


def test_a_complete_run_gives_no_advice():
    assert closing_text(report(fetched(1), fetched(2, Proof.SIZE))).splitlines() == [
        "complete: 2 assets, 2.0 KiB in 2.0 s, 2.0 KiB transferred at 1.0 KiB/s (2 fetched, 0 already there)",
        "verified: 1 by checksum, 1 by size",
        "receipt: dest/.mlhub/receipt.json",
    ]


def test_an_empty_selection_has_no_proofs():
    assert "verified" not in closing_text(report())


def test_a_selection_that_nothing_matches_says_what_there_is():
    made = report()
    assert "nothing matches" not in closing_text(made), "there was no selection"
    made.selection = {"include": ["B04"]}
    assert "nothing matches the selection" in closing_text(made) and "--allow-empty" in closing_text(made)
    made.filtered = 7
    made.offered.add([Item("i", "c", {"assets": {"labels": {}, "B02": {}}}, "https://c.test/i")])
    assert "keys here: labels, B02" in closing_text(made)
    made.listing.ended = False
    assert "nothing matches" not in closing_text(made)
    assert "nothing matches" not in closing_text(report(fetched(1)))


def test_five_failures_are_named_and_all_are_counted_by_class():
    errors = [TransferError("HTTP 404", kind="not-found")] * 6 + [Transient("slow", kind="timeout")]
    words = closing_text(report(fetched(0), *(failed(n, error) for n, error in enumerate(errors, 1))))
    assert "7 assets are missing (6 not-found, 1 timeout)" in words
    assert words.count("HTTP 404") == 5 and "... and 2 more" in words
    assert "running it again will not bring these; the reasons are in dest/.mlhub/errors.jsonl" in words


@pytest.mark.parametrize(
    ("stopped", "advice"),
    [
        (None, "run the same command again"),
        (LimitReached("--max-transfer"), "a limit was reached: run the same command again to continue"),
        (StorageError("full"), "free some space or choose another DEST"),
    ],
)
def test_the_advice_fits_the_exit_code(stopped, advice):
    made = report(failed(1, Transient("slow")))
    made.stopped = stopped
    assert advice in closing_text(made)


def test_a_listing_that_broke_off_is_reported():
    made = report(ended=False)
    made.listing.error = CatalogError("page 3: HTTP 500")
    assert "the listing is not complete: it broke off: page 3: HTTP 500" in closing_text(made)


def test_a_listing_shorter_than_announced_is_reported():
    made = report(fetched(1))
    made.listing.add_batch([Page(matched=5, listing="c1")], 0)
    assert "the listing is not complete: c1 announced 5 items and gave 0" in closing_text(made)


def test_unusable_records_are_named_once_and_dangling_links_only_counted():
    made = report(fetched(1))
    made.add_flaw(Flaw("page 2", TransferError("page 2: not an item")))
    made.add_flaw(Flaw("source of x", TransferError("gone", kind="dangling-source"), benign=True))
    made.add_flaw(Flaw("a.zip", TransferError("a.zip: empty", kind="damaged-archive"), benign=True))
    words = closing_text(made)
    assert "could not be used: 1\n  page 2: not an item\n" in words
    assert "1 source links lead nowhere" in words and "source of x" not in words
    assert "a.zip: empty: reported, not counted as missing" in words


def test_text_of_the_catalogue_is_safe_for_a_terminal():
    made = report(failed("\x1b[31m\n", TransferError("\x07\nforged: line")))
    assert "\x1b" not in closing_text(made) and "\x07" not in closing_text(made)
    assert not any(line.startswith("forged") for line in closing_text(made).splitlines())
