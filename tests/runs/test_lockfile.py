"""Lockfiles: the same bytes elsewhere, from wherever they still are, or a clear no."""

import asyncio
import json
import re
import zipfile

import pytest

from mlhub_async import Selection, SourceError, UsageError, diff, lock, mirror
from mlhub_async.engine.planning.comparison import Change
from mlhub_async.engine.planning.locked_changes import locked_changes
from mlhub_async.engine.planning.lockfile import lock_lines
from support.archives import zipped
from support.engine import make_options, run
from support.mirrored import Mirrored
from support.object_stores import S3Bucket
from support.server import Status, tif
from support.stac_server import Api, stac_item, static_catalog
from support.zarr_stores import publish_store, store_v3

COUNT = 6


def items_at(site, count=COUNT, collection="c1"):
    found = []
    for number in range(count):
        hrefs = {key: site.put(f"/{number}/{key}.tif", tif(400 + number, number)) for key in ("a", "b")}
        found.append({**stac_item(f"i{number}", **hrefs), "collection": collection})
    return found


@pytest.fixture
async def site(troubled):
    return await troubled.site()


@pytest.fixture
async def locked(site, dest, tmp_path):
    """A complete mirror, and its lockfile."""
    report = await run(static_catalog(site, items_at(site)), dest)
    assert report.exit_code == 0
    return write(dest, tmp_path / "data.lock")


def write(dest, path):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"".join(lock_lines(dest)))
    return path


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def changed(lockfile, number, **members):
    """The lockfile with other members in one of its lines."""
    lines = lockfile.read_text().splitlines()
    lines[number] = json.dumps({**json.loads(lines[number]), **members})
    lockfile.write_text("\n".join(lines) + "\n")
    return lockfile


def first_file(path):
    return next(number for number, row in enumerate(rows(path)) if "sha256" in row)


async def test_the_files_of_a_lockfile_are_the_same_and_its_catalogue_too(locked, dest, tmp_path):
    copy = tmp_path / "copy"
    report = await run(locked, copy)
    assert report.exit_code == 0
    assert report.manifest_sha256 == Mirrored(dest).receipt["manifest_sha256"]
    assert Mirrored(copy).files == Mirrored(dest).files
    assert report.proofs == {"checksum": 2 * COUNT}
    assert Mirrored(copy).receipt["listing"]["lockfile"]["manifest_sha256"] == report.manifest_sha256
    one, other = ((place / "c1/i3/i3.json").read_text() for place in (dest, copy))
    for name in ("properties", "geometry", "assets"):
        assert json.loads(one)[name].keys() == json.loads(other)[name].keys()
    assert [*locked_changes(locked, write(copy, tmp_path / "again.lock"))] == []


async def test_the_lockfile_of_python_is_beside_the_mirror(locked, dest):
    path = lock(dest)
    assert path == dest.with_name("dest.lock") and path.read_bytes() == locked.read_bytes()


async def test_a_second_run_of_a_lockfile_asks_for_nothing(site, locked, tmp_path):
    await run(locked, tmp_path / "copy")
    before = len(site.log)
    report = await run(locked, tmp_path / "copy")
    assert report.exit_code == 0 and len(site.log) == before


async def test_bytes_that_are_other_ones_now_are_named_and_nothing_else_fails(site, locked, tmp_path):
    for number in (0, 2, 4):
        site.put(f"/{number}/a.tif", tif(400 + number, 77))
    report = await run(locked, tmp_path / "copy")
    assert report.exit_code == 4
    assert sorted(row["item"] for row in Mirrored(tmp_path / "copy").errors) == ["i0", "i2", "i4"]


async def moved(troubled, collection="c1", changes=()):
    other = await troubled.site()
    found = items_at(other, collection=collection)
    for number in changes:
        other.put(f"/{number}/a.tif", tif(400 + number, 77))
    return other, static_catalog(other, found)


async def test_another_place_that_has_the_files_is_asked_first(site, troubled, locked, dest, tmp_path):
    _, source = await moved(troubled)
    site.things.clear()
    site.log.clear()
    report = await run(locked, tmp_path / "copy", from_source=source)
    assert report.exit_code == 0 and site.log == []
    assert report.manifest_sha256 == Mirrored(dest).receipt["manifest_sha256"]
    assert Mirrored(tmp_path / "copy").files == Mirrored(dest).files


async def test_documents_do_not_say_where_the_bytes_of_a_lockfile_came_from(
    site, troubled, locked, dest, tmp_path
):
    _, source = await moved(troubled)
    copies = [tmp_path / "first", tmp_path / "second"]
    assert (await run(locked, copies[0])).exit_code == 0
    assert (await run(locked, copies[1], from_source=source)).exit_code == 0
    for copy in copies:
        assert Mirrored(copy).item("i0")["assets"] == Mirrored(dest).item("i0")["assets"]
        assert not (await diff(locked, copy, make_options(allow_private=True))).differs


async def test_what_is_not_there_comes_from_the_address_in_the_lockfile(site, troubled, locked, tmp_path):
    _, source = await moved(troubled, changes=(0, 2, 4))
    report = await run(locked, tmp_path / "copy", from_source=source)
    assert report.exit_code == 0 and dict(report.fetched_via) == {
        "alternate lockfile-1 after checksum-mismatch": 3
    }
    site.things.clear()
    failed = await run(locked, tmp_path / "third", from_source=source)
    assert failed.exit_code == 4
    missing = {(row["item"], row["key"]) for row in Mirrored(tmp_path / "third").errors}
    assert missing == {("i0", "a"), ("i2", "a"), ("i4", "a")}


async def test_items_are_found_by_their_ids_where_the_collection_has_another_name(
    site, troubled, locked, dest, tmp_path
):
    _, source = await moved(troubled, collection="renamed")
    site.things.clear()
    report = await run(locked, tmp_path / "copy", from_source=source)
    assert report.exit_code == 0
    assert Mirrored(tmp_path / "copy").files == Mirrored(dest).files


async def test_another_place_whose_listing_breaks_off_is_only_one_place_less(
    site, troubled, locked, tmp_path
):
    other = await troubled.site()
    broken = {"links": [{"rel": "next", "href": other.put("/next", always=[Status(500)])}]}
    api = Api(other, items_at(other), page_size=2, overrides={1: broken})
    report = await run(locked, tmp_path / "copy", from_source=api.url)
    assert report.exit_code == 0 and report.dangling == 1


@pytest.mark.parametrize(
    ("name", "body", "told"),
    [
        ("none.zip", zipped({}), "--from {url}: there are no assets in it"),
        (
            "none.json",
            b'{"type": "FeatureCollection", "features": []}',
            "--from {url}: there are no assets in it",
        ),
        ("empty.zip", b"", "{url} is no ZIP archive: it is empty: reported, not counted as missing"),
    ],
)
async def test_another_place_that_has_nothing_is_told(site, locked, tmp_path, run_cli, name, body, told):
    url = site.put(f"/{name}", body)
    ran = await asyncio.to_thread(run_cli, "mirror", locked, tmp_path / "copy", "--from", url)
    assert ran.code == 0 and told.format(url=url) in ran.err and "source links" not in ran.err, ran.err


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda path: path.write_text(path.read_text()[:-400]), "not JSON|of its 12 files"),
        (lambda path: path.write_text(path.read_text().rpartition("\n{")[0] + "\n"), "11 of its 12 files"),
        (lambda path: path.write_text("{}\n"), "no lockfile"),
        (lambda path: path.write_text(""), "not JSON"),
        (lambda path: changed(path, 0, **{"mlhub-async-lock": 2}), "use a newer mlhub-async"),
        (lambda path: changed(path, 0, files=-1), "header was changed"),
        (lambda path: changed(path, first_file(path), path="../x.tif"), r"line \d+ .*\.\./x\.tif"),
        (lambda path: changed(path, first_file(path), path="/etc/x"), "/etc/x"),
        (lambda path: changed(path, first_file(path), path=".mlhub/receipt.json"), "receipt.json"),
        (lambda path: changed(path, first_file(path), path=".MLHUB/x"), "MLHUB"),
        (lambda path: changed(path, first_file(path), path="c1/a\\b"), "path that cannot be used"),
        (lambda path: changed(path, first_file(path), path="c1//x"), "path that cannot be used"),
        (lambda path: changed(path, first_file(path), sha256="00"), "lacks size, sha256 or key"),
        (lambda path: changed(path, first_file(path), size="1"), "lacks size"),
        (lambda path: changed(path, first_file(path), href=5), "no texts"),
    ],
)
async def test_a_lockfile_that_cannot_be_believed_is_refused_before_anything_is_asked(
    site, locked, tmp_path, change, told
):
    change(locked)
    site.log.clear()
    with pytest.raises(SourceError, match=told):
        await run(locked, tmp_path / "copy")
    assert site.log == [] and Mirrored(tmp_path / "copy").files == {}


async def test_a_digest_that_was_changed_by_hand_is_no_digest_of_the_file(locked, tmp_path):
    report = await run(changed(locked, first_file(locked), sha256="ab" * 32), tmp_path / "copy")
    assert report.exit_code == 4
    (row,) = Mirrored(tmp_path / "copy").errors
    assert row["error"]["class"] == "checksum-mismatch"


async def test_a_path_that_was_changed_by_hand_shows_in_the_manifest(locked, tmp_path):
    report = await run(changed(locked, first_file(locked), path="c1/i0/a~.tif"), tmp_path / "copy")
    assert report.exit_code == 4 and "manifest_sha256 is another one" in str(report.flaws)


async def test_files_that_are_there_stay_without_a_request(site, locked, dest):
    site.log.clear()
    found = await diff(locked, dest)
    assert found.files == {Change.KEEP: 2 * COUNT} and site.log == []
    report = await run(locked, dest)
    assert report.exit_code == 0 and report.proofs == {"checksum": 2 * COUNT} and site.log == []
    site.put("/3/a.tif", tif(403, 5))
    changes = (await diff(changed(locked, first_file(locked), sha256="ab" * 32), dest)).files
    assert changes == {Change.KEEP: 2 * COUNT - 1, Change.REPLACE: 1}


async def test_a_selection_of_a_lockfile_is_refused(locked, tmp_path):
    with pytest.raises(UsageError, match="taken whole"):
        await run(locked, tmp_path / "copy", "c1")


async def test_another_place_is_only_for_lockfiles(site, tmp_path):
    with pytest.raises(UsageError, match="--from is for a lockfile"):
        await run(static_catalog(site, []), tmp_path / "copy", from_source=site.url("/x"))


async def test_only_a_complete_mirror_is_locked(site, dest):
    with pytest.raises(UsageError, match="no mirror"):
        [*lock_lines(dest)]
    site.put("/1/a.tif", always=[Status(404)])
    broken = items_at(site)
    site.put("/1/a.tif", always=[Status(404)])
    assert (await run(static_catalog(site, broken), dest)).exit_code == 4
    with pytest.raises(UsageError, match="exit code 4"):
        [*lock_lines(dest)]


async def test_two_lockfiles_differ_in_the_lines_of_what_differs(site, locked, dest, tmp_path):
    site.put("/3/b.tif", tif(900, 5))
    found = items_at(site)[1:]
    site.put("/3/b.tif", tif(900, 5))
    found.append({**stac_item("i9", a=site.put("/9/a.tif", tif(70, 9))), "collection": "c1"})
    await run(static_catalog(site, found), tmp_path / "newer", if_exists="refresh")
    other = write(tmp_path / "newer", tmp_path / "newer.lock")
    changes = {(one.kind, one.path) for one in locked_changes(locked, other)}
    assert changes == {
        ("removed", "c1/i0/a.tif"),
        ("removed", "c1/i0/b.tif"),
        ("changed", "c1/i3/b.tif"),
        ("added", "c1/i9/a.tif"),
    }


async def test_source_imagery_that_is_not_in_a_lockfile_is_not_followed(site, dest, tmp_path):
    site.json("/s.json", {**stac_item("s", a=site.put("/s.tif", tif(300))), "collection": "c2"})
    label = {**items_at(site, 1)[0], "links": [{"rel": "source", "href": site.url("/s.json")}]}
    source = static_catalog(site, [label])
    labels_only = make_options(Selection(follow_sources=False), allow_private=True)
    assert (await mirror(source, dest, labels_only)).exit_code == 0
    for name, more in {"copy": {}, "moved": {"from_source": source}}.items():
        report = await run(write(dest, tmp_path / "data.lock"), tmp_path / name, **more)
        assert report.exit_code == 0 and Mirrored(tmp_path / name).files == Mirrored(dest).files


def cube_at(site):
    return stac_item(
        "one",
        cube={"href": publish_store(site, "/a/s.zarr", store_v3()), "type": "application/vnd+zarr"},
        b=site.put("/b.tif", tif(300)),
    )


async def test_each_file_of_a_directory_has_a_line_and_comes_back(site, dest, tmp_path):
    assert (await run([cube_at(site)], dest)).ok
    locked = write(dest, tmp_path / "data.lock")
    named = [row for row in rows(locked) if row.get("directory")]
    assert len(named) > 3 and {row["directory"] for row in named} == {"cube"}
    for _ in range(2):
        report = await run(locked, tmp_path / "copy")
        assert report.exit_code == 0 and report.proofs == {"checksum": len(named) + 1}
        assert report.manifest_sha256 == Mirrored(dest).receipt["manifest_sha256"]
    assert Mirrored(tmp_path / "copy").files == Mirrored(dest).files
    one, other = (Mirrored(place).item("one")["assets"] for place in (dest, tmp_path / "copy"))
    assert one["cube"] == other["cube"] and one.keys() == other.keys()
    again = write(tmp_path / "copy", tmp_path / "again.lock")
    assert [*locked_changes(locked, again)] == []


async def test_a_file_of_a_directory_that_is_another_one_now_is_named(site, dest, tmp_path):
    assert (await run([cube_at(site)], dest)).ok
    locked = write(dest, tmp_path / "data.lock")
    changed = next(row for row in rows(locked) if "/c/" in row.get("key", ""))
    site.put(changed["href"].removeprefix(site.origin), b"x" * changed["size"])
    report = await run(locked, tmp_path / "copy")
    assert report.exit_code == 4
    assert [row["key"] for row in Mirrored(tmp_path / "copy").errors] == [changed["key"]]


async def test_a_directory_that_has_moved_is_found_there(site, troubled, dest, tmp_path):
    assert (await run([cube_at(site)], dest)).ok
    locked, other = write(dest, tmp_path / "data.lock"), await troubled.site()
    source = static_catalog(other, [cube_at(other)])
    site.things.clear()
    report = await run(locked, tmp_path / "copy", from_source=source)
    assert report.exit_code == 0 and Mirrored(tmp_path / "copy").files == Mirrored(dest).files


async def test_a_directory_of_this_machine_is_locked_and_found_by_from(dest, tmp_path):
    folder = tmp_path / "catalogue"
    (folder / "cube/deep").mkdir(parents=True)
    (folder / "cube/a.bin").write_bytes(b"a" * 100)
    (folder / "cube/deep/b.bin").write_bytes(b"b" * 200)
    (folder / "item.json").write_text(json.dumps(stac_item("one", cube="cube/")))
    assert (await run(folder / "item.json", dest)).ok
    locked = write(dest, tmp_path / "data.lock")
    report = await run(locked, tmp_path / "copy", from_source=str(folder / "item.json"))
    assert report.exit_code == 0 and Mirrored(tmp_path / "copy").files == Mirrored(dest).files
    assert Mirrored(tmp_path / "copy").href("one", "cube") == Mirrored(dest).href("one", "cube")


@pytest.mark.parametrize("options", [{"open_archives": True}, {"group_by": "stem"}, {"group_by": "none"}])
async def test_files_without_stac_are_found_as_they_were_grouped_and_opened(
    site, troubled, dest, tmp_path, options
):
    scenes = {f"s/{name}_B0{band}.tif": tif(500, band) for name in "ab" for band in (2, 3)}
    packed = {"one.zip": zipped({"x/1.tif": tif(400)}), "two.zip": zipped({"x/1.tif": tif(450)})}
    bucket = S3Bucket(site, "bucket", {**scenes, **packed})
    made = make_options(Selection(**options), allow_private=True, endpoint_url=bucket.url)
    assert (await mirror("s3://bucket", dest, made)).exit_code == 0
    locked = write(dest, tmp_path / "data.lock")
    copy = tmp_path / "copy"
    moved = S3Bucket(await troubled.site(), "bucket", {**scenes, **packed})
    site.things.clear()
    report = await run(locked, copy, from_source="s3://bucket", endpoint_url=moved.url)
    assert report.exit_code == 0, report.summary()
    assert report.manifest_sha256 == Mirrored(dest).receipt["manifest_sha256"]


@pytest.mark.parametrize("directory", ["other", "", 5, "cube/zarr.json"])
async def test_a_directory_that_was_changed_by_hand_is_refused(site, dest, tmp_path, directory):
    assert (await run([cube_at(site)], dest)).ok
    locked = write(dest, tmp_path / "data.lock")
    number = next(number for number, row in enumerate(rows(locked)) if row.get("directory"))
    with pytest.raises(SourceError, match="directory"):
        await run(changed(locked, number, directory=directory or None), tmp_path / "copy")


@pytest.mark.parametrize("place", ["local", "served"])
async def test_a_member_of_an_archive_that_is_not_named_says_how_to_name_it(site, dest, tmp_path, place):
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("x/1.tif", tif(300))
    source = archive if place == "local" else site.put("/a.zip", archive.read_bytes())
    assert (await run(source, dest)).ok
    locked = write(dest, tmp_path / "data.lock")
    assert (await run(locked, tmp_path / "copy")).exit_code == 4
    (row,) = Mirrored(tmp_path / "copy").errors
    assert row["error"]["class"] == "unavailable"
    assert re.search(r"a member of the archive \S+/a\.zip: --from SOURCE names", row["error"]["message"])
    assert (await run(locked, tmp_path / "copy", from_source=str(source))).exit_code == 0
    assert (await run(locked, tmp_path / "other", references=[dest])).exit_code == 0


@pytest.mark.parametrize("members", [("x/1.tif", "x/2.tif"), ("1.tif", "2.tif"), ("x/1.tif", "y/1.tif")])
async def test_an_archive_that_has_another_name_by_now_has_the_same_members(dest, tmp_path, members):
    archive = tmp_path / "a.zip"
    archive.write_bytes(zipped({name: tif(300 + number) for number, name in enumerate(members)}))
    assert (await run(archive, dest)).ok
    locked = write(dest, tmp_path / "data.lock")
    report = await run(locked, tmp_path / "copy", from_source=str(archive.rename(tmp_path / "a (1).zip")))
    assert report.exit_code == 0, report.summary()
    assert Mirrored(tmp_path / "copy").files == Mirrored(dest).files


async def test_local_files_beside_the_lockfile_are_read_though_another_place_is_named(
    site, troubled, dest, tmp_path
):
    folder = tmp_path / "catalogue"
    folder.mkdir()
    (folder / "a.tif").write_bytes(tif(300))
    (folder / "item.json").write_text(json.dumps(stac_item("one", a="a.tif")))
    assert (await run(folder / "item.json", dest)).ok
    locked = write(dest, folder / "data.lock")
    other = static_catalog(await troubled.site(), [])
    for name, more in {"copy": {}, "another": {"from_source": other}}.items():
        report = await run(locked, tmp_path / name, **more)
        assert report.exit_code == 0 and Mirrored(tmp_path / name).files == Mirrored(dest).files
    outside = write(dest, tmp_path / "elsewhere/data.lock")
    report = await run(outside, tmp_path / "third", from_source=other)
    assert report.exit_code == 4


def nested(levels):
    value = {}
    for _ in range(levels):
        value = {"in": value}
    return value


ODD_ITEMS = {
    "an asset without a name": {"assets": {"": {}, "b": {}}},
    "half a character as the name of an asset": {"assets": {"k\udc00": {}}},
    "half a character in a title": {"assets": {"a": {"title": "x\ud83d"}}},
    "half a character in a property": {"properties": {"datetime": None, "t": "\ud83d", "u\udc00": 1}},
    "many levels": {"properties": {"datetime": None, "x": nested(300)}},
    "an integer over 64 bits": {"properties": {"datetime": None, "n": 1 << 70}},
}


@pytest.mark.parametrize("name", ODD_ITEMS)
async def test_what_a_mirror_can_hold_a_lockfile_can_too(site, dest, tmp_path, name):
    odd = ODD_ITEMS[name]
    assets = odd.get("assets", {"a": {}})
    hrefs = {
        key: {"href": site.put(f"/{n}.tif", tif(300 + n)), **assets[key]} for n, key in enumerate(assets)
    }
    item = {**stac_item("one"), **odd, "assets": hrefs}
    listing = site.json("/items.json", {"type": "FeatureCollection", "features": [item]})
    assert (await run(listing, dest)).exit_code == 0
    report = await run(write(dest, tmp_path / "data.lock"), tmp_path / "copy")
    assert report.exit_code == 0
    assert report.manifest_sha256 == Mirrored(dest).receipt["manifest_sha256"]
    assert sorted(Mirrored(tmp_path / "copy").files.values()) == sorted(Mirrored(dest).files.values())
