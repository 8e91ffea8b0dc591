"""`ledger.claims.planned`: rows are in memory from claim to end, with the answers of rows in the table."""

from __future__ import annotations

import random
import sqlite3

import pytest

from mlhub_async.core.model import Asset
from mlhub_async.storage.ledger.claims import planned
from mlhub_async.storage.ledger.claims.assignment import Claim, ClaimRequest
from mlhub_async.storage.ledger.claims.planned import PlannedRows
from mlhub_async.storage.ledger.database import Statements
from mlhub_async.storage.ledger.schema import ABSENT, ASSET, COLLECTION, DONE, FAILED, ITEM, SCHEMA


@pytest.fixture(params=["", "with rows of an earlier run"])
def books(request):
    """A ledger that plans in memory, and one that plans in the table."""
    found = [book(PlannedRows()), book(None)]
    for one in found:
        one.begin_run("source", "{}", "then")
        if request.param:
            one.claim([wanted("old", "a", "b"), wanted("x", "a")])
            one.settle([settled("old", "a"), settled("x", "a", FAILED)])
            one.write_planned()
        one.begin_run("source", "{}", "now")
    yield found
    for one in found:
        one.close()


def book(rows: PlannedRows | None) -> Statements:
    database = sqlite3.connect(":memory:", isolation_level=None)
    database.executescript(SCHEMA)
    from mlhub_async.storage.ledger.schema import ITEM_LINKS

    database.executescript(ITEM_LINKS)
    return Statements(database, lambda *_: True, rows)


def wanted(item: str, *keys: str, path: str = "", folder: str = "") -> ClaimRequest:
    assets = [
        Claim(Asset(f"https://x.test/{item}/{key}", key, item, "c"), f"c/{folder or item}/{key}", False)
        for key in keys
    ]
    return ClaimRequest("c", item, path or f"c/{folder or item}/{item or 'collection'}.json", assets)


def settled(item: str, key: str, state: int = DONE, role: int = ASSET, path: str = "") -> tuple:
    proof = ("ab" * 32, "size", '"v"', "", f"https://x.test/{item}/{key}", "")
    return ("c", item, role, key, path or f"c/{item}/{key}", state, 5, 7, *proof)


def table(one: Statements) -> list[tuple]:
    one.write_planned()
    return one.database.execute("SELECT * FROM file ORDER BY 1, 2, 3, 4").fetchall()


def held(one: Statements) -> int:
    return len(one._planned)


def test_a_row_that_is_new_is_in_the_table_when_it_has_ended(books):
    for one in books:
        one.claim([wanted("i", "a", "b")])
    assert held(books[0]) == 3
    assert not books[0].database.execute("SELECT * FROM file WHERE item='i'").fetchall()
    for one in books:
        one.settle([settled("i", "a"), settled("i", "", role=ITEM, path="c/i/i.json")])
    assert held(books[0]) == 1
    assert table(books[0]) == table(books[1])
    assert held(books[0]) == 0


CLAIMS = [
    [[wanted("i", "a")], [wanted("i", "a")]],
    [[wanted("i", "a"), wanted("i", "a")]],
    [[wanted("i", "a", "b")], [wanted("j", "a", folder="i")]],
    [[wanted("i", "a"), wanted("j", "a", folder="I")]],
    [[wanted("", path="c/collection.json")], [wanted("", "thumb", path="c/collection.json")]],
    [[wanted("i", "a")], [wanted("j", "a"), wanted("i", "b")]],
    [[wanted("old", "a", "b", "c")], [wanted("x", "a")], [wanted("i", "a")]],
    [[wanted("i", "a")], [wanted("old", "a"), wanted("j", "a")]],
    [[wanted("i", "a")], [wanted("i", "a", path="c/elsewhere.json", folder="elsewhere")]],
]


@pytest.mark.parametrize("pages", CLAIMS)
def test_what_is_claimed_twice_or_collides_is_found_in_memory_as_in_the_table(books, pages):
    results = [[one.claim(page) for page in pages] for one in books]
    assert results[0] == results[1]
    assert table(books[0]) == table(books[1])


def test_the_same_history_makes_the_same_table_and_the_same_answers(books):
    for seed in range(30):
        history(books, random.Random(seed))
        assert table(books[0]) == table(books[1])


def history(books: list[Statements], choose: random.Random) -> None:
    """Claims, ends and other paths, in any order, at both ledgers."""
    open_rows: list[tuple[str, str]] = []
    for _ in range(12):
        step = choose.random()
        if step < 0.6:
            page = [
                wanted(item, *choose.sample("abcd", choose.randint(0, 3)), folder=choose.choice(["", "f"]))
                for item in choose.choices([f"i{choose.randint(0, 30)}", "old", "x", "j"], k=2)
            ]
            first, second = (one.claim(page) for one in books)
            assert first == second
            open_rows += [(claim.asset.item, claim.asset.key) for one in first if one for claim in one.claims]
        elif step < 0.9 and open_rows:
            ended = [open_rows.pop(choose.randrange(len(open_rows))) for _ in range(min(3, len(open_rows)))]
            state = choose.choice([DONE, FAILED, ABSENT])
            for one in books:
                one.settle([settled(item, key, state) for item, key in ended])
        elif open_rows:
            item, key = choose.choice(open_rows)
            path = f"c/moved/{choose.randint(0, 3)}"
            moved = [one.move(("c", item, key), path) for one in books]
            assert moved[0] == moved[1]


def test_a_claim_that_is_rolled_back_leaves_nothing_in_memory(books):
    one = books[0]

    class NotOnDiskError(Exception):
        pass

    def broken(*_: object) -> None:
        raise NotOnDiskError

    one.database.execute("DROP TABLE item_address")
    request = ClaimRequest("c", "i", "c/i/i.json", wanted("i", "a").assets, addresses=(5,))
    with pytest.raises(sqlite3.OperationalError):
        one.claim([request])
    assert held(one) == 0
    one.claim([wanted("i", "a")])
    with pytest.raises(NotOnDiskError):
        one.settle([settled("i", "a")], [broken])
    assert held(one) == 2
    assert one.claim([wanted("j", "a", folder="i")])[0].claims[0].path != "c/i/a"
    one.settle([settled("i", "a")])
    assert ("c", "i", "a", DONE) in {(row[0], row[1], row[3], row[6]) for row in table(one)}


def test_memory_is_bounded(books, monkeypatch):
    monkeypatch.setattr(planned, "MAX_ROWS", 10)
    for number in range(20):
        assert [one.claim([wanted(f"i{number}", "a", "b")]) for one in books]
        assert held(books[0]) <= 10
    large = wanted("large", *map(str, range(50)))
    assert books[0].claim([large]) == books[1].claim([large])
    assert table(books[0]) == table(books[1])


def test_what_a_killed_run_left_in_the_log_is_of_that_run():
    one = book(PlannedRows())
    one.begin_run("source", "{}", "then")
    one.end_run("then", 0)
    one.begin_run("source", "{}", "killed")
    one.recover([settled("i", "a")])
    assert one.run == 2
    assert [(row[1], row[7]) for row in table(one)] == [("i", 2)]
    one.close()


def test_collections_are_planned_too(books):
    one = books[0]
    one.claim([ClaimRequest("d", "", "d/collection.json", ())])
    assert held(one) == 1
    assert ("d", "", COLLECTION) in {row[:3] for row in table(one)}
