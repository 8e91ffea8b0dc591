"""What a loop in a listing is recognised by: the latest hashes, against a list."""

import random

import pytest

from mlhub_async.stac.listing.loop_guard import _Hashes


@pytest.mark.parametrize("limit", [1, 2, 7, 64, 10_000])
def test_it_forgets_the_oldest_first(limit):
    chance, latest, hashes = random.Random(limit), [], _Hashes(limit)
    for _ in range(3_000):
        number = chance.choice([-1, 1]) * chance.randrange(200) << 40
        assert hashes.add(number) == (number not in latest)
        if number not in latest:
            latest = [*latest, number][-limit:]
