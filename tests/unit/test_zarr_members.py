"""The names of the files of a Zarr store follow from its metadata, in both versions of the format."""

import pytest

from mlhub_async.core.errors import TransferError
from mlhub_async.core.model import Member
from mlhub_async.sources.linked.directories.members import MAX_MEMBERS, directory_of
from mlhub_async.sources.linked.directories.zarr import members_v2, members_v3
from support.zarr_stores import array_v2, array_v3, group_v3

DOTTED = {"name": "v2", "configuration": {"separator": "."}}
SHARDED = [
    {"name": "sharding_indexed", "configuration": {"chunk_shape": [1], "codecs": [{"name": "bytes"}]}},
]


def chunks(members):
    return [one.path for one in members if one.media_type != "application/json"]


@pytest.mark.parametrize(
    ("array", "names"),
    [
        (array_v3([3, 5], [3, 3]), ["c/0/0", "c/0/1"]),
        (array_v3([2], [1], chunk_key_encoding={"name": "default"}), ["c/0", "c/1"]),
        (array_v3([2], [1], chunk_key_encoding="default"), ["c/0", "c/1"]),
        (
            array_v3(
                [2, 1], [1, 1], chunk_key_encoding={"name": "default", "configuration": {"separator": "."}}
            ),
            ["c.0.0", "c.1.0"],
        ),
        (array_v3([2, 1], [1, 1], chunk_key_encoding=DOTTED), ["0.0", "1.0"]),
        (array_v3([2, 1], [1, 1], chunk_key_encoding={"name": "v2"}), ["0.0", "1.0"]),
        (array_v3([], []), ["c"]),
        (array_v3([], [], chunk_key_encoding=DOTTED), ["0"]),
        (array_v3([0, 4], [2, 2]), []),
        (array_v3([4], [2], codecs=SHARDED), ["c/0", "c/1"]),
    ],
)
def test_chunks_of_version_3_are_named_as_the_array_says(array, names):
    assert chunks(members_v3(array)) == names
    nested = members_v3(group_v3({"a": {"node_type": "group"}, "a/b": array}))
    assert chunks(nested) == [f"a/b/{name}" for name in names]
    documents = [one for one in nested if one.media_type == "application/json"]
    assert [one.path for one in documents] == ["zarr.json", "a/zarr.json", "a/b/zarr.json"]
    assert [one.optional for one in documents] == [False, True, True]
    assert all(one.optional for one in nested if one not in documents)


@pytest.mark.parametrize(
    ("array", "names"),
    [
        (array_v2([3, 5], [3, 3]), ["0.0", "0.1"]),
        (array_v2([3, 5], [3, 3], dimension_separator="/"), ["0/0", "0/1"]),
        (array_v2([], []), ["0"]),
        (array_v2([0], [1]), []),
    ],
)
def test_chunks_of_version_2_are_named_as_the_array_says(array, names):
    found = members_v2({"metadata": {".zgroup": {}, "a/.zarray": array, "a/.zattrs": {}}})
    assert chunks(found) == [f"a/{name}" for name in names]
    needed = [one.path for one in found if not one.optional]
    assert needed == [".zmetadata"]
    assert chunks(members_v2({"metadata": {".zarray": array}})) == names


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"zarr_format": 3, "node_type": "group"}, "consolidated"),
        ({"zarr_format": 3, "node_type": "group", "consolidated_metadata": None}, "consolidated"),
        (group_v3({"a": array_v3([2], [1], chunk_grid={"name": "rectilinear"})}), "array a"),
        (group_v3({"a": array_v3([2], [1], chunk_key_encoding={"name": "fanout"})}), "array a"),
        (group_v3({"a": array_v3([2], [1], storage_transformers=[{"name": "x"}])}), "array a"),
        (group_v3({"a": array_v3([2], [0])}), "array a"),
        (group_v3({"a": array_v3([2, 2], [1])}), "array a"),
        (array_v3(["2"], [1]), "array /"),
        (array_v3([10**12], [1]), "1000000000001 files"),
    ],
)
def test_a_store_whose_files_are_not_known_is_refused_with_the_reason(body, reason):
    with pytest.raises(TransferError, match=reason):
        members_v3(body)


@pytest.mark.parametrize("path", ["../x", "a/../x", "/etc/x", "a//b", "a/.", "a:b", "con", "a/b.", "%41"])
def test_a_file_whose_name_would_be_another_one_in_the_copy_is_refused(path):
    with pytest.raises(TransferError, match="name"):
        directory_of([Member("zarr.json"), Member(path)])


def test_names_that_differ_in_case_only_are_refused():
    with pytest.raises(TransferError, match="case"):
        directory_of([Member("t/c/0"), Member("T/c/0")])


def test_too_many_files_are_refused_before_they_are_named():
    with pytest.raises(TransferError, match=str(MAX_MEMBERS)):
        directory_of([Member("x")] * (MAX_MEMBERS + 1))
