"""What is asked of the ledger per page or per file takes as long for a million rows as for a few."""

import sqlite3
from contextlib import closing

import pytest

from mlhub_async.storage.ledger import rows
from mlhub_async.storage.ledger.claims import assignment
from mlhub_async.storage.ledger.database import Statements
from mlhub_async.storage.ledger.lookups import by_url
from mlhub_async.storage.ledger.rows import ROWS_OF_STATEMENTS, execute_in_chunks
from mlhub_async.storage.ledger.schema import connect

STATEMENTS = {
    "claims of known assets": (assignment.KNOWN, 4),
    "assets met again": (assignment.TOUCH, 5),
    "settled rows": (rows.SETTLE, 14),
    "URLs of finished files": (by_url.FINISHED, 1),
}


@pytest.fixture
def ledger(tmp_path):
    database = connect(tmp_path / "ledger.sqlite")
    database.execute(by_url.INDEX)
    yield database
    database.close()


@pytest.mark.parametrize("statement", STATEMENTS)
def test_rows_are_found_by_an_index_and_never_by_reading_all(ledger, statement):
    sql, width = STATEMENTS[statement]
    for count in ROWS_OF_STATEMENTS:
        [plan] = execute_in_chunks(ledger, f"EXPLAIN QUERY PLAN {sql}", [("x",) * width] * count)
        steps = [step for *_, step in plan]
        assert any(step.startswith("SEARCH file USING") for step in steps), steps
        assert not any(step.startswith("SCAN file") for step in steps), steps


def test_batches_of_all_sizes_are_of_few_statements():
    """SQLite keeps each compiled, and memory must not grow with the number of sizes that a run meets."""

    texts = set()

    class Recorded(sqlite3.Connection):
        def execute(self, text, *more):
            texts.add(text)
            return super().execute(text, *more)

    with closing(sqlite3.connect(":memory:", factory=Recorded)) as database:
        for count in range(300):
            values = [(number, -number) for number in range(count)]
            found = execute_in_chunks(database, "SELECT * FROM ({})", values)
            assert [row for cursor in found for row in cursor] == values
        assert len(texts) <= 4


def test_the_file_of_one_url_is_found_by_an_index(ledger):
    [(*_, step)] = ledger.execute(f"EXPLAIN QUERY PLAN {by_url.FIND}", ("x",))
    assert step.startswith("SEARCH file USING INDEX"), step


def test_the_commit_by_which_the_disk_is_judged_writes_a_page(ledger, tmp_path):
    log = tmp_path / "ledger.sqlite-wal"
    statements = Statements(ledger, lambda *_: True)
    statements.begin_run("source", "{}", "2026-01-01T00:00:00Z")
    before = log.stat().st_size
    assert 0 < statements.trial_commit() < float("inf")
    assert log.stat().st_size > before


def test_a_checkpoint_during_a_run_writes_the_first_page_of_the_new_log(ledger, tmp_path):
    """It is synced: no commit in the event loop must be the first."""
    log = tmp_path / "ledger.sqlite-wal"
    statements = Statements(ledger, lambda *_: True)
    statements.begin_run("source", "{}", "2026-01-01T00:00:00Z")
    salts = log.read_bytes()[16:24]
    statements.checkpoint_some()
    assert log.read_bytes()[16:24] != salts
