"""How files of a listing become items: groups, ids, globs of keys."""

import random

import pytest

from mlhub_async.core import checksum
from mlhub_async.core.errors import UsageError
from mlhub_async.sources.files.listing import FileEntry
from mlhub_async.sources.files.paths import split_glob
from mlhub_async.sources.files.pseudo_items import grouping
from mlhub_async.sources.files.pseudo_items.documents import item_id
from mlhub_async.sources.files.pseudo_items.grouping import Grouping, stem_of


def groups(keys, group_by, prefix=""):
    """The paths and keys of the groups, in the order in which they were complete."""
    grouped = Grouping(group_by, prefix)
    found = [*grouped.add(FileEntry(key, 1, key) for key in keys), *grouped.end()]
    return [(group.path, [file.key for file in group.files]) for group in found]


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("chip_01_B02.tif", "chip_01"),
        ("a/chip_01_B03.tif", "a/chip_01"),
        ("chip_01.tif.aux.xml", "chip_01"),
        ("chip_01.json", "chip_01"),
        ("image_0001.tif", "image_0001"),
        ("plain", "plain"),
        ("_x.tif", "_x"),
        (".hidden", ".hidden"),
        ("a_b/c.tif", "a_b/c"),
    ],
)
def test_the_stem_is_what_the_names_of_one_scene_have_in_common(name, stem):
    assert stem_of(name) == stem


@pytest.mark.parametrize("group_by", ["folder", "stem", "none"])
def test_every_file_is_in_one_group_and_no_group_comes_twice(group_by):
    chance = random.Random(5)
    names = ["a", "a_1", "a_1_B", "a0", "a-1", "b", "b.x", ""]
    keys = {
        "p/"
        + "/".join(chance.choices(names, k=chance.randint(1, 3)))
        + chance.choice([".tif", "_B1.tif", ""])
        for _ in range(500)
    }
    found = groups(sorted(keys), group_by, "p/")
    assert sorted(key for _, files in found for key in files) == sorted(keys)
    assert len({path for path, _ in found}) == len(found)
    assert len({item_id(path, "p") for path, _ in found}) == len(found)


def test_only_the_groups_that_the_present_key_belongs_to_are_held():
    grouped = Grouping("folder", "")
    for number in range(1000):
        list(grouped.add([FileEntry(f"a/{number:04}/x.tif", 1, "")]))
        assert len(grouped._open) <= 3


def test_a_group_of_too_many_files_becomes_one_item_per_file(monkeypatch):
    monkeypatch.setattr(grouping, "MAX_GROUP_FILES", 3)
    keys = [f"a/{number}" for number in range(5)]
    assert groups([*keys, "b/1"], "folder") == [*((key, [key]) for key in keys), ("b", ["b/1"])]


@pytest.mark.parametrize(
    ("path", "found"),
    [("a", "a"), ("a/b", "a__b"), ("", "set"), ("x.tif", "x.tif"), ("a/b.tif", "a__b.tif")],
)
def test_ids_are_readable_where_they_are_unambiguous(path, found):
    assert item_id(path, "set") == found


@pytest.mark.parametrize("paths", [("a__b", "a/b"), ("a_/b", "a/_b"), ("a/", "a"), ("set", "")])
def test_paths_that_would_give_one_id_are_told_apart(paths):
    assert len({item_id(path, "set") for path in paths}) == 2


@pytest.mark.parametrize(
    ("pattern", "prefix", "matching", "other"),
    [
        ("a/*.tif", "a/", ["x.tif"], ["b/x.tif", "x.tiff"]),
        ("a/**/*.tif", "a/", ["x.tif", "b/c/x.tif"], ["x.png"]),
        ("a/b?/x[0-9].tif", "a/", ["b1/x2.tif"], ["b/x2.tif", "b1/xx.tif"]),
        ("**", "", ["a", "a/b"], []),
        ("[!a]*", "", ["b.tif"], ["a.tif"]),
    ],
)
def test_a_glob_of_keys(pattern, prefix, matching, other):
    found, glob = split_glob(pattern)
    assert found == prefix
    assert all(map(glob.matches, matching)) and not any(map(glob.matches, other))


def test_a_broken_glob_is_a_usage_error():
    with pytest.raises(UsageError, match="is no glob"):
        split_glob("a/[z-a]*")


def test_the_id_that_git_gives_to_a_content_is_a_checksum():
    body = b"what git hashes\n"
    # printf 'what git hashes\n' | git hash-object --stdin
    known = checksum.parse(checksum.git_blob("22f8fd5e70a670307461e7c5c4f0a3e8c3e277f1", len(body)))
    hasher = checksum.hasher(known.algorithm)
    hasher.update(body)
    assert checksum.matches(known, hasher.digest())
    assert (
        checksum.parse(checksum.git_blob("22f8fd5e70a670307461e7c5c4f0a3e8c3e277f1", None))
        == checksum.UNUSABLE
    )
