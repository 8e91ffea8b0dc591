"""One asset for each thing that a server can do to a body: all in one run, then looked at singly.

A case says what the server does, what the catalogue says, and what must be under the final name in the end:
these bytes, or nothing. `asked` is what the ranges of the requests must have been, where that matters.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.body_faults import Ran, all_in_one, cases, item_of

CASES = cases(400_000)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    yield from all_in_one(CASES, tmp_path_factory)


def test_the_run_as_a_whole_tells_what_it_could_not_get(ran):
    assert ran.code in (4, 5), ran.err
    missing = {item_of(name) for name, case in CASES.items() if case.final is None}
    assert set(ran.mirror.failed) == missing
    ran.mirror.check(ran.code)


@pytest.mark.parametrize("name", CASES)
def test_under_the_final_name_are_the_right_bytes_or_nothing(ran, name):
    got = ran.mirror.bytes_of(item_of(name))
    assert (got is None) == (CASES[name].final is None), ran.mirror.failed.get(item_of(name))
    assert got == CASES[name].final


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.asked is not None])
def test_only_what_is_proven_to_be_the_same_is_resumed(ran, name):
    assert [seen.headers.get("range") for seen in ran.requests[name]] == CASES[name].asked
    for seen in ran.requests[name]:
        assert ("if-range" in seen.headers) == ("range" in seen.headers)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.requests is not None])
def test_no_request_more_than_it_takes(ran, name):
    assert len(ran.requests[name]) == CASES[name].requests


@pytest.mark.parametrize("name", CASES)
def test_every_request_asks_for_the_bytes_as_they_are_and_carries_nothing_else(ran, name):
    for seen in ran.requests[name]:
        assert seen.method == "GET" and seen.headers["accept-encoding"] == "identity"
        assert not {"cookie", "authorization", "referer", "x-evil"} & seen.headers.keys()


def test_nothing_points_outside_the_mirror(ran):
    assert not list(ran.mirror.dest.parent.glob("evil*"))
    assert not list(ran.mirror.dest.rglob("evil*"))
