"""The bytes of a range of a ZIP, in pieces of any size, give each member that was asked for, whole."""

from __future__ import annotations

from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from mlhub_async.core.formats.archives.zip_directory import ZipMember
from mlhub_async.sources.files.archives.zip import runs
from mlhub_async.sources.files.archives.zip.runs import MemberSplitter, runs_of

SIZES = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 9)), min_size=1, max_size=9)
"""For each member: bytes before it that nobody wants, and its own."""


def _members(sizes):
    offset, found = 5, []
    for gap, size in sizes:
        offset += gap
        found.append(ZipMember("", offset, offset + size, size, size, 0, 0, "", b"", "", ""))
        offset += size
    return found


@given(SIZES, st.lists(st.integers(1, 12), min_size=1, max_size=9))
def test_each_member_is_given_whole_however_the_bytes_come(sizes, pieces):
    members = _members(sizes)
    archive = bytes(range(256))
    given = []

    def whole(order, data):
        given.append((order.member, bytes(data)))

    splitter = MemberSplitter([SimpleNamespace(member=one) for one in members], whole)
    at, end, number = members[0].offset, members[-1].limit, 0
    while at < end:
        size = pieces[number % len(pieces)]
        splitter.take(archive[at : min(at + size, end)])
        at, number = at + size, number + 1
    assert given == [(one, archive[one.offset : one.limit]) for one in members]


@given(SIZES)
def test_members_near_each_other_are_one_run(sizes):
    members = _members(sizes)
    found = list(runs_of(members))
    assert [number for run in found for number in run] == list(range(len(members)))
    assert len(found) == 1  # all of this is near each other


def test_runs_are_limited(monkeypatch):
    monkeypatch.setattr(runs, "GAP_BYTES", 2)
    monkeypatch.setattr(runs, "RANGE_BYTES", 10)
    members = _members([(0, 4), (2, 4), (0, 9), (0, 1), (3, 1)])
    assert list(runs_of(members)) == [range(0, 2), range(2, 4), range(4, 5)]
    assert list(runs_of([])) == []
