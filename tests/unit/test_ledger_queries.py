"""What is asked of the ledger per page or per file takes as long for a million rows as for a few."""

import pytest

from mlhub_async.storage.ledger import claims, rows
from mlhub_async.storage.ledger.lookups import by_url
from mlhub_async.storage.ledger.rows import ROWS_PER_STATEMENT, execute_in_chunks
from mlhub_async.storage.ledger.schema import connect

STATEMENTS = {
    "claims of known assets": (claims.KNOWN, 4),
    "assets met again": (claims.TOUCH, 5),
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
    for count in (1, ROWS_PER_STATEMENT):
        [plan] = execute_in_chunks(ledger, f"EXPLAIN QUERY PLAN {sql}", [("x",) * width] * count)
        steps = [step for *_, step in plan]
        assert any(step.startswith("SEARCH file USING") for step in steps), steps
        assert not any(step.startswith("SCAN file") for step in steps), steps


def test_the_file_of_one_url_is_found_by_an_index(ledger):
    [(*_, step)] = ledger.execute(f"EXPLAIN QUERY PLAN {by_url.FIND}", ("x",))
    assert step.startswith("SEARCH file USING INDEX"), step
