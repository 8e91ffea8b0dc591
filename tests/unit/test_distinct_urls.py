"""The count of different URLs of a plan, against a dictionary."""

import random
import tempfile

import pytest

from mlhub_async.engine.planning import distinct
from mlhub_async.engine.planning.distinct import DistinctUrls


@pytest.mark.parametrize("held", [1, 7, 10_000])
def test_it_counts_as_a_dictionary_does(monkeypatch, held):
    monkeypatch.setattr(distinct, "MAX_HELD", held)
    chance, expected, urls = random.Random(held), {}, DistinctUrls()
    for _ in range(3_000):
        url, size = f"https://a.test/{chance.randrange(1_000)}.tif", chance.randrange(1 << 40)
        expected.setdefault(url, size)
        urls.add([url], [size])
    assert urls.totals() == (len(expected), sum(expected.values()))


def test_nothing_is_no_url():
    assert DistinctUrls().totals() == (0, 0)


def test_without_a_temporary_folder_it_counts_in_memory(monkeypatch, tmp_path):
    monkeypatch.setattr(distinct, "MAX_HELD", 2)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    urls = DistinctUrls()
    for start in (0, 3, 6):
        numbers = range(start, start + 3)
        urls.add([f"https://a.test/{number % 5}" for number in numbers], numbers)
    assert urls.totals() == (5, 10)
