"""The set of what a listing has named, against a set in memory."""

import os
import random
import tempfile

import pytest

from mlhub_async.core.errors import StorageError
from mlhub_async.storage.indexes import number_set
from mlhub_async.storage.indexes.number_set import NumberSet


@pytest.mark.parametrize("held", [0, 3, 250, 10_000])
def test_it_knows_what_a_set_knows(monkeypatch, held):
    monkeypatch.setattr(number_set, "MAX_HELD", held)
    chance, expected, numbers = random.Random(held), set(), NumberSet()
    some = [chance.randrange(-(1 << 63), 1 << 63) for _ in range(1_500)]
    for size in (0, 1, 2, 99, 100, 101, 350) * 3:
        added = chance.choices(some, k=size)
        assert numbers.add(added) == set(added) - expected
        expected.update(added)
    assert 0 < len(expected) < len(some)
    assert {one for one in some if one in numbers} == expected


def test_without_a_temporary_folder_it_holds_all_in_memory(monkeypatch):
    monkeypatch.setattr(number_set, "MAX_HELD", 2)
    monkeypatch.setattr(number_set, "sqlite_lacks_room", lambda _: True)
    numbers = NumberSet()
    assert numbers.add(range(5)) == set(range(5))
    assert numbers.add(range(4, 7)) == {5, 6}
    assert 6 in numbers and 7 not in numbers


def test_a_temporary_file_that_cannot_be_written_is_named(monkeypatch, tmp_path):
    numbers = NumberSet()
    numbers.add(range(number_set.MAX_HELD + 1))
    database = numbers._database
    assert database is not None
    database.execute("PRAGMA max_page_count=2")
    with pytest.raises(StorageError, match=r"temporary file: .*TMPDIR"):
        numbers.add(range(-number_set.MAX_HELD - 1, 0))


def test_its_file_has_no_name_that_others_see(monkeypatch, tmp_path):
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    numbers = NumberSet()
    numbers.add(range(200_000))
    assert os.listdir(tmp_path) == [] and 199_999 in numbers
