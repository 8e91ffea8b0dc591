"""Passes over all files of the ledger: each file once, some thousand for each row of a result."""

import hashlib
import json
from contextlib import closing

import pytest

from mlhub_async.storage.ledger.database import LINE, Statements
from mlhub_async.storage.ledger.lookups.carried import files_of
from mlhub_async.storage.ledger.rows import IN_PIECE, PIECE_ROWS
from mlhub_async.storage.ledger.schema import ASSET, DONE, FAILED, INDEX, ITEM, connect

KEYS = f"""SELECT json_group_array(json_array(file.collection, file.item, file.role, file.key))
  FROM file WHERE {IN_PIECE}"""


@pytest.fixture
def book(tmp_path):
    with closing(connect(tmp_path / "ledger.sqlite")) as database:
        book = Statements(database, lambda *_: True)
        book.begin_run("source", "{}", "2026-01-01T00:00:00Z")
        yield book


def row(collection, item, key="", *, role=ASSET, state=DONE, path=None):
    path = path or f"{collection}/{item}/{key or item}"
    digest = hashlib.sha256(path.encode()).hexdigest()
    return (collection, item, role, key, path, state, len(path), 17, digest, "size", "", "stamp", "", "")


def items(collection, numbers, keys=("a", "b"), path=None):
    """The rows of items and their assets."""
    rows = []
    for number in numbers:
        name = f"i{number:05}"
        rows += [row(collection, name, key, path=path and f"{path(number)}/{key}") for key in keys]
        rows.append(row(collection, name, role=ITEM))
    return rows


def pieces(book, collection=None):
    """The keys of the rows of each piece."""
    return [json.loads(found) for (found,) in book.pieces.rows(KEYS, {}, collection)]


def keys(rows):
    return sorted([list(one[:4]) for one in rows])


def test_every_file_is_in_one_piece_and_none_is_large(book):
    rows = items("c", range(1500)) + items("c ", range(40)) + items("cd", range(1200))
    book.settle(rows)
    found = pieces(book)
    assert len(found) > 3
    assert [key for piece in found for key in piece] == keys(rows)
    assert all(len(piece) <= PIECE_ROWS for piece in found)


def test_the_files_of_one_collection_are_those_of_its_pieces(book):
    names = {"": 3, "a": 900, "a/b": 1, "ab": 0, "é": 1400, "\U0001f30d": 5}
    by_name = {name: items(name, range(count)) for name, count in names.items()}
    book.settle([one for rows in by_name.values() for one in rows])
    for name, rows in by_name.items():
        assert [key for piece in pieces(book, name) for key in piece] == keys(rows), name
        documents = [one[4] for one in rows if one[2] == ITEM]
        assert list(book.item_paths(name)) == documents


def test_an_item_of_any_number_of_files_is_divided(book):
    rows = items("c", [7], [f"k{number:05}" for number in range(3 * PIECE_ROWS)])
    book.settle(rows)
    found = pieces(book)
    assert [key for piece in found for key in piece] == keys(rows)
    assert max(map(len, found)) <= PIECE_ROWS


def test_files_that_came_after_the_first_pass_are_in_the_next(book):
    """A run that compares what is there before it lists may find a million files that are new."""
    rows = items("c", range(0, 2000, 2))
    book.settle(rows)
    assert [key for piece in pieces(book) for key in piece] == keys(rows)
    few = items("c", range(1, 21, 2)) + items("d", [0])
    book.settle(few)
    assert [key for piece in pieces(book) for key in piece] == keys(rows + few)
    many = items("c", range(5000, 10_000)) + items("a", range(3000))
    book.settle(many)
    found = pieces(book)
    assert [key for piece in found for key in piece] == keys(rows + few + many)
    assert max(map(len, found)) <= PIECE_ROWS


def test_a_pass_seeks_the_beginning_of_each_piece(book):
    bounds = {f"{side}{number}": "" for side in "cd" for number in range(4)}
    [(*_, step)] = book.database.execute(f"EXPLAIN QUERY PLAN {KEYS}", bounds)
    assert step.startswith("SEARCH file USING PRIMARY KEY"), step


def test_the_files_about_the_mirror_are_found_by_their_key(book):
    book.settle([*items("c", range(10)), row("", "", "items.parquet", role=INDEX, path="items.parquet")])
    steps = []
    book.database.set_trace_callback(steps.append)
    assert list(book.index_files(["items.parquet", "other"])) == ["items.parquet"]
    book.database.set_trace_callback(None)
    [statement] = steps
    [(*_, step)] = book.database.execute(f"EXPLAIN QUERY PLAN {statement}")
    assert step == "SEARCH file USING PRIMARY KEY (collection=? AND item=? AND role=?)"


@pytest.mark.parametrize(
    "path",
    [
        None,
        lambda number: f"c/{(number * 7919) % 1500:04}",
        lambda number: f"c/{number + (3 if number == 997 else 0):04}-{number:04}",
        lambda number: f"c/{2900 - number if number > 1400 else number:04}é",
    ],
    ids=["in the order of the key", "in another order", "one behind its place", "the last piece turned"],
)
def test_the_manifest_is_over_sorted_lines_in_whatever_order_the_files_are(book, path):
    rows = items("c", range(1500), path=path)
    rows += [row("c", "i00003", "failed", state=FAILED), row("b", "y", "a")]
    book.settle(rows)
    lines = sorted(f"{one[4]} {one[6]} {one[8]}\n" for one in rows if one[2] == ASSET and one[5] == DONE)
    assert book.manifest(book.run) == hashlib.sha256("".join(lines).encode()).hexdigest()
    assert b"".join(book.manifest_lines(book.run)) == "".join(lines).encode()


def test_the_manifest_of_a_run_without_files_is_that_of_no_lines(book):
    book.settle(items("c", range(2500)))
    book.begin_run("source", "{}", "2026-01-02T00:00:00Z")
    assert book.manifest(book.run) == hashlib.sha256().hexdigest()


def test_a_manifest_takes_one_row_for_each_piece(book):
    book.settle(items("c", range(1500)))
    steps = []
    book.database.set_trace_callback(steps.append)
    book.manifest(book.run)
    assert sum(LINE in step for step in steps) == 1 + 1500 * 3 // PIECE_ROWS


@pytest.mark.parametrize("spoilt", ["c/i00000/a", "c/i00700/i00700", "c/i01499/i01499", "d/i00002/b", None])
def test_a_file_that_has_changed_is_found_in_whatever_piece(book, spoilt):
    rows = items("c", range(1500)) + items("d", range(3))
    book.settle(rows)
    asked = []

    def is_unchanged(path, size, mtime_ns):
        asked.append((path, size, mtime_ns))
        return path != spoilt

    found = files_of(book.pieces, is_unchanged, book.run)
    assert found.is_as_recorded is (spoilt is None)
    assert asked[-1][0] == (spoilt or "d/i00002/i00002")
    if spoilt is None:
        assert sorted(asked) == sorted((one[4], one[6], one[7]) for one in rows)
        assert found.is_whole and found.items == {"c": 1500, "d": 3}
        assert found.proofs["size"] == 2 * 1503 and found.proofs["checksum"] == 0
        assert found.bytes == sum(one[6] for one in rows if one[2] == ASSET)


def test_an_item_that_is_not_complete_is_found_in_whatever_piece(book):
    rows = items("c", range(1500))
    for place in (2, len(rows) // 2 // 3 * 3 + 2, len(rows) - 1):
        assert rows[place][2] == ITEM
        book.settle([*rows[:place], (*rows[place][:11], "", *rows[place][12:]), *rows[place + 1 :]])
        assert not files_of(book.pieces, lambda *_: True, book.run).is_whole
    book.settle(rows)
    assert files_of(book.pieces, lambda *_: True, book.run).is_whole
