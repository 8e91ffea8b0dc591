"""A finished copy that is run again: an item of which nothing has changed is confirmed as a whole, and
whatever has changed of it, here or there, is seen."""

import os
import sqlite3

import pytest

from mlhub_async import Options, Selection, mirror, verify
from support.engine import AT_ONCE
from support.mirrored import Mirrored, asset_requests
from support.server import tif
from support.stac_server import Api, stac_item

KEYS = "abc"


@pytest.fixture
async def site(troubled):
    return await troubled.site()


def item(site, name="one", keys=KEYS, **properties):
    assets = {key: site.put(f"/{name}-{key}.tif", tif(2_000, ord(key) + len(name))) for key in keys}
    return stac_item(name, properties=properties, **assets)


async def run(url, dest, told=None, **options):
    chosen = Selection(collections=("c1",), **options.pop("selection", {}))
    return await mirror(
        url, dest, Options(selection=chosen, retry=AT_ONCE, allow_private=True, **options), on_event=told
    )


def fingerprints(dest):
    """The fingerprints of finished items in the ledger, by item."""
    with sqlite3.connect(dest / ".mlhub/ledger.sqlite") as database:
        rows = database.execute("SELECT item, stamp FROM file WHERE role=1").fetchall()
    database.close()
    return dict(rows)


def steady(report):
    """A receipt without what differs from run to run."""
    return {k: v for k, v in report.receipt().items() if k not in ("started", "finished")}


async def test_the_second_run_says_of_an_unchanged_copy_what_one_says_that_looks_at_every_asset(site, dest):
    api = Api(site, [item(site, name) for name in ("one", "two", "three")], 2)
    first = await run(api.url, dest)
    assert first.exit_code == 0 and all(fingerprints(dest).values())
    events = []
    looked = await run(api.url, dest, events.append)
    quick = await run(api.url, dest)
    assert steady(quick) == steady(looked)
    assert quick.skipped == looked.skipped == 9 and quick.manifest_sha256 == first.manifest_sha256
    assert sum(event["event"] == "skip" for event in events) == 9
    assert len(asset_requests(site)) == 9
    Mirrored(dest).check(0)
    assert (await verify(dest)).damage == []


def delete(path):
    path.unlink()


def shorten(path):
    path.write_bytes(path.read_bytes()[:-1])


def touch(path):
    os.utime(path, (1, 1))


def replace_by_a_link(path):
    elsewhere = path.parents[3] / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


@pytest.mark.parametrize("change", [delete, shorten, touch, replace_by_a_link])
@pytest.mark.parametrize("name", ["b.tif", "one.json"])
async def test_a_file_that_is_not_as_it_was_left_is_brought_again(site, dest, change, name):
    api = Api(site, [item(site)])
    await run(api.url, dest)
    path = dest / "c1/one" / name
    content = path.read_bytes()
    change(path)
    report = await run(api.url, dest)
    assert report.exit_code == 0
    assert path.read_bytes() == content and not path.is_symlink()
    assert len(asset_requests(site)) == 3 + (name == "b.tif" and change is not touch)
    Mirrored(dest).check(0)


async def test_an_item_that_is_described_otherwise_is_looked_at_again(site, dest):
    api = Api(site, [item(site)])
    await run(api.url, dest)
    before = fingerprints(dest)
    api.items[0]["properties"]["updated"] = "2024-01-01T00:00:00Z"
    assert (await run(api.url, dest)).exit_code == 0
    assert Mirrored(dest).item("one")["properties"]["updated"] == "2024-01-01T00:00:00Z"
    assert len(asset_requests(site)) == 6 and fingerprints(dest) != before
    await run(api.url, dest)
    assert len(asset_requests(site)) == 6


async def test_a_version_that_came_in_between_and_went_again_leaves_no_trace_in_the_proof(site, dest):
    old, new = item(site), item(site, keys="abd")
    new["assets"]["d"]["href"] = site.url("/nothing-here.tif")
    api = Api(site, [old])
    first = await run(api.url, dest)
    api.items[:] = [new]
    assert (await run(api.url, dest)).exit_code == 4
    assert fingerprints(dest) == {"one": ""}
    api.items[:] = [old]
    for _ in range(2):
        again = await run(api.url, dest)
        assert again.exit_code == 0 and again.manifest_sha256 == first.manifest_sha256
        assert again.selected == again.skipped == 3


async def test_another_selection_of_assets_is_another_proof(site, dest):
    api = Api(site, [item(site)])
    first = await run(api.url, dest)
    part = await run(api.url, dest, selection={"exclude": ("c",)})
    assert (part.selected, part.filtered) == (2, 1)
    repeated = await run(api.url, dest, selection={"exclude": ("c",)})
    assert steady(repeated) == steady(part) and part.manifest_sha256 != first.manifest_sha256
    assert (await run(api.url, dest)).manifest_sha256 == first.manifest_sha256
    assert len(asset_requests(site)) == 3


async def test_an_asset_that_failed_is_tried_again_in_every_run(site, dest):
    broken = item(site)
    broken["assets"]["d"] = {"href": site.url("/later.tif")}
    api = Api(site, [broken])
    for _ in range(2):
        assert (await run(api.url, dest)).exit_code == 4
        assert fingerprints(dest) == {"one": ""}
    site.put("/later.tif", tif(2_000, 9))
    assert (await run(api.url, dest)).exit_code == 0
    assert fingerprints(dest)["one"] and (await run(api.url, dest)).skipped == 4


async def test_an_item_that_comes_twice_is_confirmed_once(site, dest):
    api = Api(site, [item(site), item(site, "two")], 4)
    await run(api.url, dest)
    api.items.append(api.items[0])
    report = await run(api.url, dest)
    assert (report.selected, report.skipped) == (6, 6)
    assert report.listing.unique == 2


async def test_an_item_whose_json_is_odd_is_never_sealed(site, dest):
    odd = [item(site, number=2**70)]
    assert (await run(odd, dest)).exit_code == 0
    assert fingerprints(dest) == {"one": ""} and str(2**70) in (dest / "c1/one/one.json").read_text()
    (dest / "c1/one/b.tif").unlink()
    assert (await run(odd, dest)).exit_code == 0
    assert (dest / "c1/one/b.tif").is_file() and fingerprints(dest) == {"one": ""}
    odd[0]["properties"]["number"] = 2**71
    assert (await run(odd, dest)).exit_code == 0
    assert str(2**71) in (dest / "c1/one/one.json").read_text()


@pytest.mark.parametrize("options", [{"if_exists": "overwrite"}, {"verify": "checksum"}], ids=str)
async def test_who_asks_for_more_than_a_look_gets_it(site, dest, options):
    api = Api(site, [item(site)])
    await run(api.url, dest)
    place = dest / "c1/one/b.tif"
    status = place.stat()
    content = place.read_bytes()
    place.write_bytes(content[::-1])
    os.utime(place, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (await run(api.url, dest, **options)).exit_code == 0
    assert place.read_bytes() == content


async def test_hrefs_that_are_written_otherwise_make_other_documents(site, dest):
    api = Api(site, [item(site)])
    await run(api.url, dest)
    assert (await run(api.url, dest, asset_hrefs="absolute")).exit_code == 0
    assert Mirrored(dest).href("one", "b").startswith("/")
    assert (await run(api.url, dest)).exit_code == 0
    assert Mirrored(dest).href("one", "b") == "./b.tif"


async def test_without_a_ledger_files_of_an_item_with_changed_fields_are_still_known(site, dest):
    """Fields that are added to the document, or left out of it, are no change of the catalogue."""
    one = item(site)
    del one["properties"]["datetime"]
    one["properties"] |= {"start_datetime": "2020-01-01T00:00:00Z", "end_datetime": "2020-02-01T00:00:00Z"}
    one["properties"]["storage:platform"] = "AWS"
    assert (await run([one], dest)).ok
    assert Mirrored(dest).item("one")["properties"]["datetime"] is None
    for path in (dest / ".mlhub").glob("ledger*"):
        path.unlink()
    report = await run([one], dest)
    assert report.ok and (report.skipped, report.fetched) == (len(KEYS), 0)


def rows(dest, statement="SELECT item, key, run FROM file WHERE role<2 ORDER BY item, role DESC, key"):
    with sqlite3.connect(dest / ".mlhub/ledger.sqlite") as database:
        found = database.execute(statement).fetchall()
    database.close()
    return found


async def test_of_an_unchanged_item_its_own_row_alone_is_written(site, dest):
    api = Api(site, [item(site)])
    for number in (1, 2, 3):
        report = await run(api.url, dest)
        assert rows(dest) == [("one", "", number), *(("one", key, 1) for key in KEYS)]
        assert (report.selected, report.complete) == (3, True)
        assert (await verify(dest)).damage == []
        Mirrored(dest).check(0)


async def test_what_an_item_loses_after_it_was_confirmed_is_pruned_and_in_no_proof(site, dest):
    api = Api(site, [item(site), item(site, "two"), item(site, "three")])
    for _ in range(2):
        await run(api.url, dest)
    del api.items[0]["assets"]["c"], api.items[1]
    left = await run(api.url, dest)
    assert left.selected == 5 and (await verify(dest)).damage == []
    report = await run(api.url, dest, prune=True)
    assert report.exit_code == 0 and report.manifest_sha256 == left.manifest_sha256
    assert sorted(path.name for path in dest.glob("c1/*/*.tif")) == sorted(["a.tif", "b.tif"] * 2 + ["c.tif"])
    Mirrored(dest).check(0)


async def test_items_that_one_run_leaves_out_are_confirmed_by_the_next(site, dest):
    api = Api(site, [item(site), item(site, "two")])
    first = await run(api.url, dest)
    part = await run(api.url, dest, selection={"ids": ("one",)})
    assert part.selected == 3 and part.manifest_sha256 != first.manifest_sha256
    assert (await run(api.url, dest)).manifest_sha256 == first.manifest_sha256
    assert len(asset_requests(site)) == 6 and (await verify(dest)).damage == []


async def test_a_ledger_of_the_first_format_is_read_and_gets_the_present_one(site, dest):
    """Its rows have the number of the last run each, and none of an item another one for its assets."""
    api = Api(site, [item(site), item(site, "two")])
    first = await run(api.url, dest)
    rows(dest, "PRAGMA user_version=1")
    assert (await verify(dest)).damage == []
    del api.items[1]
    report = await run(api.url, dest, prune=True)
    assert rows(dest, "PRAGMA user_version") == [(2,)]
    assert report.exit_code == 0 and report.skipped == 3 and report.manifest_sha256 != first.manifest_sha256
    assert not list(dest.glob("c1/two/*")) and (await verify(dest)).damage == []
