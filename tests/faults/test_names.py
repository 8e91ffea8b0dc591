"""Names in whole runs: with any ids and keys everything is mirrored, inside DEST only."""

import json
import sys

import pytest

from mlhub_async.core.errors import UsageError
from mlhub_async.engine.verify import verify
from mlhub_async.storage.naming import fold
from support.engine import run
from support.mirrored import Mirrored, asset_requests
from support.server import Headers, tif
from support.stac_server import stac_item

BODY = tif(5_000)
CLIMBING = ["..", ".", "../x", "a/../../x", "a/b", "a\\b", "..\\x", "a//b", "/", "\\"]
ABSOLUTE = ["/etc/x", "//host/x", "C:\\x", "c:x", "\\\\?\\C:\\x", "\\\\host\\share\\x", "file:///etc/x"]
CONTROL = ["nul\0l", "\0", "n\nl", "c\rr", "\x1b]0;x\x07", "\x7f", "\x85", "\u202egnp", "\u2066x", "\u2028"]
LONG = ["x" * 255, "x" * 256, "é" * 127, "é" * 128, "x" * 181, "x" * 4097, "👍" * 64, "x" * 250 + ".tif"]
DEVICES = ["CON", "nul.tif", "COM1", "COM¹", "LPT9.txt", "aux ", "x.", "x ", "x. .", "CONIN$"]
OURS = [".mlhub", ".mlhub/ledger.sqlite", "ledger.sqlite", ".partial", "catalog.json", "collection.json"]
SHELL = ["-rf", "--", "~", "~root", "$HOME", "$(touch x)", "`touch x`", "%APPDATA%", "*", "?", "a;b", "a|b"]
ENCODED = ["%2e%2e%2f", "%252e%252e%252f", "..%2fx", "%2e%2e", "%5c..%5c", "%00", "%", "%zz", "..%c0%afx"]
FAMILIES = {
    "climbing": CLIMBING,
    "absolute": ABSOLUTE,
    "control": CONTROL,
    "long": LONG,
    "devices": DEVICES,
    "ours": OURS,
    "shell": SHELL,
    "encoded": ENCODED,
    "case": ["A.tif", "a.tif", "a.TIF", "STRASSE", "straße", "\u017f", "S", "s", "\u212a", "K", "k"],
    "composition": ["é", "e\u0301", "Å", "A\u030a", "\u212b", "ﬁ", "fi", "가", "\u1100\u1161"],
}


@pytest.fixture
async def site(troubled):
    return await troubled.site()


def items_with(site, names, what):
    """One item for each name, with it as id, as the key of its asset, or as collection."""
    items = []
    for n, name in enumerate(names):
        item = stac_item(name if what == "item" else f"i{n}", name if what == "collection" else "c1")
        href = site.put(f"/{n}.tif", tif(5_000, n))
        items.append(item | {"assets": {name if what == "key" else "data": {"href": href}}})
    return items


def components(dest):
    """All names of files and directories below DEST, without those in .mlhub."""
    found = [path.relative_to(dest).parts for path in dest.rglob("*")]
    return {name for names in found if names[0] != ".mlhub" for name in names}


@pytest.mark.parametrize("what", ["item", "key", "collection"])
@pytest.mark.parametrize("family", FAMILIES)
async def test_every_name_gets_a_path_of_its_own_inside_dest(site, dest, family, what):
    names = FAMILIES[family]
    items = items_with(site, names, what)
    before = {path for path in dest.parent.rglob("*")}
    for _ in range(2):
        report = await run(items, dest)
        assert report.exit_code == 0, report.failed
    mirror = Mirrored(dest)
    mirror.check(0)
    assert {path for path in dest.parent.rglob("*") if not path.is_relative_to(dest)} == before
    assert sorted(mirror.files.values()) == sorted(tif(5_000, n) for n in range(len(names)))
    assert len({fold(name) for name in mirror.files}) == len(names)
    assert len(asset_requests(site)) == len(names), "the second run found every one again"
    for name in components(dest):
        assert len(name.encode()) <= 180 and name.isprintable(), name
        assert name[0] not in ".-~ " and name[-1] not in ". ", name
    assert (await verify(dest)).ok


@pytest.mark.parametrize("what", ["item", "collection"])
@pytest.mark.parametrize("family", FAMILIES)
async def test_the_documents_keep_the_names_that_paths_cannot_have(site, dest, family, what):
    names = FAMILIES[family]
    await run(items_with(site, names, what), dest)
    documents = [json.loads(path.read_text()) for path in dest.glob("*/*/*.json") if path.is_file()]
    features = [one for one in documents if one["type"] == "Feature"]
    assert {one["id" if what == "item" else "collection"] for one in features} == set(names)


PATHS = {
    "/a/%2e%2e%2f%2e%2e%2fout.tif": "_~2E.~2F..~2Fout~",
    "/a/%252e%252e%252fout.tif": "_~252e~252e~252fout~",
    "/a/..%5c..%5cout.tif": "_~2E.~5C..~5Cout~",
    "/a/%00out.tif": "_~00out~",
    "/a/out%0a.tif": "out~0A~",
    "/a/%2fetc%2fout.tif": "_~2Fetc~2Fout~",
    "/a/%7eout.tif": "_~7Eout~",
    "/a/out.t%2fif": "out.t~2Fif~",
}


@pytest.mark.parametrize("path", PATHS)
async def test_a_file_name_in_an_href_is_decoded_once_and_made_safe(site, dest, path):
    item = stac_item("one", data=site.put(path, BODY))
    before = set(dest.parent.iterdir())
    report = await run([item], dest, path_template="${collection}/${filename}")
    assert report.exit_code == 0, report.failed
    [name] = Mirrored(dest).files
    assert name.startswith(f"c1/{PATHS[path]}") and name.count("/") == 1
    assert {one for one in dest.parent.iterdir() if one != dest} == before
    assert [seen.target for seen in asset_requests(site) or site.log] == [path]


@pytest.mark.parametrize("template", ["${collection}/${id}/${key}${ext}", "${filename}"])
@pytest.mark.parametrize("name", ["../../out.tif", "/etc/out.tif", "..\\out.tif", "out.exe"])
async def test_a_name_that_the_server_proposes_is_ignored(site, dest, name, template):
    proposed = Headers(
        (("Content-Disposition", f"attachment; filename=\"{name}\"; filename*=UTF-8''{name}"),)
    )
    item = stac_item("one", data=site.put("/x", BODY, always=[proposed]))
    assert (await run([item], dest, path_template=template)).exit_code == 0
    assert list(Mirrored(dest).files) == ["c1/one/data" if "key" in template else "x"]
    assert not list(dest.parent.rglob("out*"))


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits of a path")
@pytest.mark.parametrize("levels", [21, 30, 64])
async def test_a_path_longer_than_path_max_is_reported_and_the_rest_is_mirrored(site, dest, levels):
    """It could be written level by level, but no program could open it by its path."""
    items = items_with(site, ["d" * 180, "short"], "item")
    template = "/".join(["${id}"] * levels) + "/${key}${ext}"
    template = template if levels < 64 else template.partition("/")[2]
    report = await run(items, dest, path_template=template)
    mirror = Mirrored(dest)
    assert report.exit_code == 4 and mirror.failed == {"d" * 180: "path"}, report.failed
    assert "File name too long" in mirror.errors[0]["error"]["message"]
    assert list(mirror.files.values()) == [tif(5_000, 1)]
    assert (await verify(dest)).damage == []


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits of a path")
async def test_a_path_as_long_as_path_max_is_mirrored(site, dest):
    items = items_with(site, ["d" * 180], "item")
    template = "/".join(["${id}"] * 19) + "/${key}${ext}"
    for _ in range(2):
        assert (await run(items, dest, path_template=template)).exit_code == 0
    assert len(asset_requests(site)) == 1 and (await verify(dest)).ok


async def test_too_many_levels_in_a_path_template_are_a_usage_error(site, dest):
    with pytest.raises(UsageError, match="has 65 levels; no more than 64"):
        await run(items_with(site, ["x"], "item"), dest, path_template="a/" * 64 + "${id}")
    assert site.log == [] and not dest.exists()


async def test_items_without_an_id_are_reported_and_the_rest_is_mirrored(site, dest):
    items = items_with(site, ["good", "also good"], "item")
    bad = [{**items[0], "id": wrong} for wrong in ("", None, [], {}, True)]
    report = await run([*bad, *items], dest)
    assert report.exit_code == 4 and len(Mirrored(dest).errors) == len(bad)
    assert len(Mirrored(dest).files) == 2


async def test_an_id_that_is_a_number_is_used_as_its_digits(site, dest):
    [item] = items_with(site, ["x"], "item")
    assert (await run([{**item, "id": 7}], dest)).exit_code == 0
    assert list(Mirrored(dest).files) == ["c1/7/data.tif"]


@pytest.mark.parametrize("what", ["item", "key", "collection"])
async def test_names_of_megabytes_are_mirrored(site, dest, what):
    items = items_with(site, ["x" * 2_500_000, "y" * 2_500_000 + "\0"], what)
    report = await run(items, dest)
    assert report.exit_code == 0, report.failed
    Mirrored(dest).check(0)
    assert sorted(Mirrored(dest).files.values()) == [tif(5_000, 0), tif(5_000, 1)]
