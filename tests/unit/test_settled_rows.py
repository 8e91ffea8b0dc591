"""Batches of fetched files are counted and made rows by columns, with what rows of one outcome each say."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from mlhub_async.core.errors import TransferError
from mlhub_async.core.model import Asset, Job, Outcome, Proof, Record, Status
from mlhub_async.core.telemetry import Meter
from mlhub_async.engine.report.receipt import Report
from mlhub_async.storage.ledger.rows import rows_of

TEXT = st.text("aäB/. ", max_size=6)
NUMBER = st.integers(0, 2**40)
ASSETS = st.builds(Asset, TEXT, TEXT, TEXT, TEXT, stamp=TEXT, via=st.sampled_from(["", "href", "s3"]))
RECORDS = st.builds(Record, TEXT, NUMBER, TEXT, NUMBER, st.sampled_from(Proof), TEXT)
JOBS = st.builds(Job, ASSETS, TEXT)
NO_ERROR = st.none()
FETCHED = st.builds(Outcome, JOBS, st.just(Status.FETCHED), RECORDS, NO_ERROR, received=NUMBER)
FAILED = st.builds(
    Outcome, JOBS, st.just(Status.FAILED), st.none() | RECORDS, st.just(TransferError("x", kind="y"))
)
OTHERS = st.builds(Outcome, JOBS, st.sampled_from([Status.SKIPPED, Status.FETCHED]), RECORDS, NO_ERROR)
BATCHES = st.lists(FETCHED, max_size=5) | st.lists(FETCHED | FAILED | OTHERS, max_size=5)


def counted(batches: list[list[Outcome]]) -> tuple:
    report, meter = Report("s", "d", {}, "then"), Meter()
    for batch in batches:
        report.add(batch)
        meter.settle(batch)
    of_report = report.fetched, report.skipped, report.failures, report.bytes, report.received, report.proofs
    return *of_report, report.fetched_via, meter.fetched, meter.skipped, meter.failed, meter.bytes


@given(BATCHES)
def test_a_batch_counts_as_its_outcomes_do(batch):
    assert counted([batch]) == counted([[one] for one in batch])
    expected = Counter(one.record.proof for one in batch if one.record and one.status is not Status.FAILED)
    assert counted([batch])[5] == expected


@given(BATCHES)
def test_a_batch_has_the_rows_of_its_outcomes(batch):
    settled = [(outcome, f"https://h.test/{number}") for number, outcome in enumerate(batch)]
    absent = (Outcome(Job(Asset("", "", "", ""), ""), Status.ABSENT), "")
    assert rows_of(settled) == [row for one in settled for row in rows_of([one])]
    assert rows_of(settled) == rows_of([*settled, absent])[:-1]
