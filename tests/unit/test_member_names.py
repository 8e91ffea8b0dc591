"""The names of members of archives: what is found out about many of them at once is what is true of each."""

from __future__ import annotations

import re
import zipfile
from io import BytesIO

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlhub_async.core.formats.archives.names import common_folder, is_hostile, is_plain, without_empty_parts
from mlhub_async.core.formats.archives.zip_directory import ZipDirectory
from mlhub_async.core.formats.archives.zip_end import TAIL_BYTES, end_record

PARTS = st.text("aB9._- :\\/\0\x1f\x7f\xe9", max_size=12)


@given(PARTS)
@example("a/b.tif")
@example("a./b")
@example("a/./b")
@example("a//b")
@example("C:b")
@example("../b")
@example("a/")
@example("a\n")
def test_a_plain_name_needs_none_of_the_other_checks(name):
    if is_plain(name.encode("latin-1")):
        assert not is_hostile(name)
        assert without_empty_parts(name) == name
        assert name.isascii() and "\\" not in name and not name.endswith("/")


@pytest.mark.parametrize("name", [b"a/b.tif", b"item-000001/a1.bin", b"A B (1)/c+d=e.tif", b"x"])
def test_usual_names_are_plain(name):
    assert is_plain(name)


@given(st.lists(st.text("ab/", min_size=1, max_size=5), min_size=1, max_size=8).map(sorted))
def test_the_first_and_the_last_name_tell_the_folder_that_all_are_in(names):
    tops = {re.match("[^/]*/|", name)[0] for name in names}
    assert common_folder(names[0], names[-1]) == (tops.pop() if len(tops) == 1 else "")


def _directory(names):
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, b"content")
    data = file.getvalue()
    end = end_record(data[-TAIL_BYTES:], len(data))
    return ZipDirectory(data[end.offset : end.offset + end.size], end)


def test_names_are_found_by_their_end():
    names = ["b/catalog.json", "catalog.json", "a/mycatalog.json", "c/catalog.json.txt", "é/catalog.json"]
    directory = _directory(names)
    found = ["a/mycatalog.json", "b/catalog.json", "catalog.json", "é/catalog.json"]
    assert list(directory.names_ending("catalog.json")) == found
    assert list(directory.names_ending("collection.json")) == []


def test_names_are_the_same_from_both_ends():
    directory = _directory(["b/2", "a/1", "é/3", "folder/"])
    assert list(directory.names()) == ["a/1", "b/2", "é/3"]
    assert list(directory.names(backwards=True)) == ["é/3", "b/2", "a/1"]


def test_members_are_found_in_any_order_whether_they_were_listed_or_not():
    names = [f"{n % 7}/é{n}" if n % 3 else f"{n % 7}/{n}.tif" for n in range(50)]
    directory = _directory(names)
    assert [directory.member(name).name for name in names] == names
    assert directory.member("0/none") is None
    listed = _directory(names)
    assert [member.name for member in listed.members()] == sorted(names)
    assert [listed.member(name) for name in names] == [directory.member(name) for name in names]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_last_of_two_members_of_one_name_is_the_file():
    directory = _directory(["b", "a", "b", "c", "b"])
    assert list(directory.names()) == ["a", "b", "c"]
    assert [name for name, _ in directory.flaws] == ["b", "b"]
    first, last, other = (directory.member(name).offset for name in "abc")
    assert first < other < last
