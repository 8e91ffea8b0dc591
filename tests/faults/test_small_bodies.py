"""The same table for small bodies, which are taken in by another way: nothing may depend on that."""

from collections.abc import Iterator

import pytest

from support.body_faults import Ran, all_in_one, cases, item_of

CASES = cases(40_000)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    yield from all_in_one(CASES, tmp_path_factory)


def test_the_run_as_a_whole_tells_what_it_could_not_get(ran):
    assert ran.code in (4, 5), ran.err
    assert set(ran.mirror.failed) == {item_of(name) for name, case in CASES.items() if case.final is None}
    ran.mirror.check(ran.code)


@pytest.mark.parametrize("name", CASES)
def test_a_small_body_comes_to_what_a_large_one_does_and_by_the_same_requests(ran, name):
    case, asked = CASES[name], [seen.headers.get("range") for seen in ran.requests[name]]
    assert ran.mirror.bytes_of(item_of(name)) == case.final, ran.mirror.failed.get(item_of(name))
    assert case.asked in (None, asked)
    assert case.requests in (None, len(asked))
