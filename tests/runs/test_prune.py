"""--prune removes what left the catalogue, only files of the mirror, and only after a complete listing."""

import json
import os
import sqlite3
import sys
from contextlib import closing

import pytest

from mlhub_async import Options, Selection, mirror, verify
from mlhub_async.core.errors import UsageError
from mlhub_async.core.model import Proof, Record
from mlhub_async.storage.local.removal import remove, remove_empty
from support.engine import AT_ONCE
from support.mirrored import Mirrored, asset_requests, publish
from support.server import Gone, Status
from support.stac_server import Api, stac_collection, stac_item, static_catalog

NAMES = ["i1", "i2", "i3"]
NOTHING_ELSE_KEPT = {"kept_not_listed": 0, "kept_not_selected": 0, "kept_of_other_sources": 0}
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="POSIX links and modes")


@pytest.fixture
async def site(troubled):
    return await troubled.site()


def of(items, collection):
    return [item | {"collection": collection} for item in items]


async def run(source, dest, *collections, prune=False, max_delete=None, **selection):
    chosen = Selection(collections=collections, **selection)
    options = Options(chosen, prune=prune, max_delete=max_delete, retry=AT_ONCE, allow_private=True)
    return await mirror(source, dest, options)


def files_in(dest):
    """All files below DEST but those in .mlhub."""
    found = (path.relative_to(dest).as_posix() for path in dest.rglob("*"))
    return sorted(path for path in found if not path.startswith(".mlhub"))


def links_of(dest, path):
    return [link["href"] for link in json.loads((dest / path).read_text())["links"] if link["rel"] == "item"]


@pytest.mark.parametrize("kind", ["api", "static"])
async def test_an_item_that_left_the_catalogue_is_removed_and_nothing_else(site, dest, kind):
    items = publish(site, NAMES)
    items[0]["bbox"] = [50.0, 2.0, 50.0, 2.0]
    url = Api(site, items).url if kind == "api" else static_catalog(site, items)
    assert (await run(url, dest, "c1")).ok
    (dest / "c1/mine.txt").write_text("mine")
    left = items.pop(0)
    if kind == "static":
        static_catalog(site, items)
    assert (await run(url, dest, "c1")).ok and (dest / "c1/i1/data.tif").exists(), "not without being asked"
    document = (dest / "c1/i1/i1.json").stat().st_size
    report = await run(url, dest, "c1", prune=True)
    assert report.ok, report.pruned.refused
    mirrored = Mirrored(dest)
    assert mirrored.receipt["pruned"] == {
        "assets": 1,
        "items": 1,
        "bytes": 20_000 + document,
        "kept": 0,
        **NOTHING_ELSE_KEPT,
    }
    assert files_in(dest) == [
        "c1",
        "c1/collection.json",
        *(
            f"c1/{path}"
            for name in ("i2", "i3")
            for path in (name, f"{name}/data.tif", f"{name}/{name}.json")
        ),
        "c1/mine.txt",
        "catalog.json",
    ]
    assert links_of(dest, "c1/collection.json") == ["./i2/i2.json", "./i3/i3.json"]
    found = await verify(dest)
    assert (found.damage, found.foreign) == ([], ["c1/mine.txt"])
    assert len(asset_requests(site)) == 3
    items.append(left)
    if kind == "static":
        static_catalog(site, items)
    assert (await run(url, dest, "c1")).ok and mirrored.bytes_of("i1") == site.things["/i1.tif"].body


async def test_an_extent_made_from_items_shrinks_when_items_are_pruned(site, dest):
    items = publish(site, NAMES)
    items[0]["bbox"] = [50.0, 2.0, 50.0, 2.0]
    api = Api(site, items, collections=[{k: v for k, v in stac_collection("c1").items() if k != "extent"}])

    def span():
        return json.loads((dest / "c1/collection.json").read_text())["extent"]["spatial"]["bbox"]

    assert (await run(api.url, dest, "c1")).ok
    assert span() == [[1.0, 2.0, 50.0, 2.0]]
    items.pop(0)
    assert (await run(api.url, dest, "c1")).ok
    assert span() == [[1.0, 2.0, 50.0, 2.0]]
    assert (await run(api.url, dest, "c1", prune=True)).ok
    assert span() == [[1.0, 2.0, 1.0, 2.0]]


async def test_an_asset_that_left_its_item_is_removed_but_not_one_that_an_include_filter_omits(site, dest):
    items = publish(site, NAMES)
    items[0]["assets"]["more"] = {"href": site.put("/more.tif", b"II*\0more")}
    items[1]["assets"]["more"] = {"href": site.url("/more.tif")}
    api = Api(site, items)
    assert (await run(api.url, dest, "c1")).ok
    del items[0]["assets"]["more"]
    report = await run(api.url, dest, "c1", prune=True, include=("data",))
    assert report.ok and not report.pruned.assets, "-i leaves out what may still be there"
    report = await run(api.url, dest, "c1", prune=True)
    assert report.ok and (report.pruned.assets, report.pruned.items) == (1, 0)
    assert not (dest / "c1/i1/more.tif").exists() and (dest / "c1/i2/more.tif").exists()
    del items[1]
    report = await run(api.url, dest, "c1", prune=True, include=("data",))
    assert report.ok and (report.pruned.assets, report.pruned.items) == (2, 1)
    assert not (dest / "c1/i2").exists()


async def test_other_collections_and_other_sources_of_one_dest_are_left_alone(site, dest):
    one, two = of(publish(site, ["a", "b"]), "c1"), of(publish(site, ["x", "y"]), "c2")
    first, second = Api(site, one + two), Api(site, of(publish(site, ["z"]), "c1"), root="/other")
    for url, name in ((first.url, "c1"), (first.url, "c2"), (second.url, "c1")):
        assert (await run(url, dest, name)).ok
    first.items = one[:1]
    report = await run(first.url, dest, "c1", prune=True)
    assert report.ok and (report.pruned.assets, report.pruned.items) == (1, 1)
    assert sorted(path.split("/")[1] for path in Mirrored(dest).files) == ["a", "x", "y", "z"]


async def test_followed_source_items_stay_when_only_the_labels_are_listed(site, dest):
    labels = publish(site, ["l1", "l2"])
    for label, source in zip(labels, of(publish(site, ["s1", "s2"]), "imagery"), strict=True):
        site.json(f"/{source['id']}.json", source)
        label["links"] = [{"rel": "source", "href": site.url(f"/{source['id']}.json")}]
    api = Api(site, labels)
    assert (await run(api.url, dest, "c1")).ok
    labels.pop()
    assert (await run(api.url, dest, "c1", prune=True)).ok
    assert sorted(path.split("/")[1] for path in Mirrored(dest).files) == ["l1", "s1", "s2"]


def test_what_is_kept_is_counted_by_its_reason_beforehand_too(run_cli, troubled_thread, dest):
    site = troubled_thread.site()
    labels = publish(site, ["l1", "l2"])
    for label, source in zip(labels, of(publish(site, ["s1", "s2"]), "imagery"), strict=True):
        label["assets"]["more"] = {"href": site.put(f"/{label['id']}-more.tif", b"II*\0more")}
        site.json(f"/{source['id']}.json", source)
        label["links"] = [{"rel": "source", "href": site.url(f"/{source['id']}.json")}]
    other = site.json("/other.json", of(publish(site, ["z"]), "c1")[0])
    api = Api(site, labels)
    for url in (other, api.url):
        assert run_cli("mirror", url, dest).code == 0
    labels.pop()
    words = (api.url, dest, "-c", "c1", "--prune", "-i", "data")
    counts = {"kept_not_listed": 2, "kept_not_selected": 1, "kept_of_other_sources": 2}
    line = (
        "files that this run did not list are kept: 2 of collections that were not listed, such as scenes of "
        "labels that left, 1 of assets that were not selected, 2 of other sources"
    )
    foreseen = run_cli("mirror", *words, "-n", "--json").events[-1]["prune"]
    assert {name: foreseen[name] for name in counts} == counts
    assert line in run_cli("mirror", *words, "-n").out.splitlines()
    done = run_cli("mirror", *words)
    assert done.code == 0 and line in done.err.splitlines()
    pruned = Mirrored(dest).receipt["pruned"]
    assert {name: pruned[name] for name in counts} == counts and pruned["items"] == 1


async def test_files_that_the_user_changed_stay_and_are_reported(site, dest):
    items = publish(site, NAMES)
    api = Api(site, items)
    assert (await run(api.url, dest, "c1")).ok
    (dest / "c1/i1/data.tif").write_text("my own")
    (dest / "c1/i2/data.tif").unlink()
    api.items = items[2:]
    report = await run(api.url, dest, "c1", prune=True)
    assert report.ok and (report.pruned.assets, report.pruned.items, report.pruned.kept) == (0, 2, 1)
    assert report.pruned.examples == ["c1/i1/data.tif"]
    assert (dest / "c1/i1/data.tif").read_text() == "my own" and not (dest / "c1/i2").exists()
    found = await verify(dest)
    assert (found.damage, found.foreign) == ([], ["c1/i1/data.tif"])
    assert (await run(api.url, dest, "c1", prune=True)).pruned.kept == 0, "it is not ours any more"


WHY_NOT = {
    "--max-items": {"max_items": 2},
    "--ids": {"ids": ("i1",)},
    "--bbox": {"bbox": (0.0, 0.0, 1.0, 1.0)},
    "--datetime": {"datetime": "2020-01-01/.."},
    "--intersects": {"intersects": {"type": "Point", "coordinates": [0, 0]}},
    "--query": {"query": {"a": {"eq": 1}}},
    "--filter": {"filter": "a = 1"},
    "--class": {"classes": ("water",)},
}


@pytest.mark.parametrize("flag", WHY_NOT)
async def test_prune_with_a_selection_of_items_is_refused_before_any_request(site, dest, flag):
    with pytest.raises(UsageError, match=flag):
        await run(Api(site, publish(site, NAMES)).url, dest, "c1", prune=True, **WHY_NOT[flag])
    assert site.log == [] and not dest.exists()


async def refused(url, dest, site, code, **options):
    before = files_in(dest)
    report = await run(url, dest, *options.pop("collections", ("c1",)), prune=True, **options)
    assert report.exit_code == code and files_in(dest) == before
    assert Mirrored(dest).receipt["pruned"] == {
        **{"assets": 0, "items": 0, "bytes": 0, "kept": 0},
        **NOTHING_ELSE_KEPT,
    }
    rows = [row["error"]["message"] for row in Mirrored(dest).errors if row["error"]["class"] == "prune"]
    assert rows == [f"nothing was pruned: {report.pruned.refused}"]
    return report.pruned.refused


async def test_nothing_is_removed_after_a_listing_that_is_empty_short_broken_or_flawed(site, dest):
    items = publish(site, NAMES)
    api = Api(site, items, 1)
    assert (await run(api.url, dest, "c1")).ok
    api.items = []
    assert "listing is empty" in await refused(api.url, dest, site, 9)
    api.items = items[:1]
    api.overrides = {1: {"numberMatched": 3}}
    assert "announced 3 items and gave 1" in await refused(api.url, dest, site, 4)
    api.overrides = {}
    api.items = items[:2]
    things = site.things["/stac/collections/c1/items"]
    things.faults.extend([None, *[Gone("fin")] * 9])
    assert "not complete" in await refused(api.url, dest, site, 5)
    things.faults.clear()
    api.items = [items[0], {"type": "Feature", "collection": "c1"}]
    assert "1 records" in await refused(api.url, dest, site, 4)


async def test_nothing_is_removed_when_a_document_of_a_static_catalogue_cannot_be_read(site, dest):
    items = publish(site, NAMES)
    url = static_catalog(site, items)
    assert (await run(url, dest)).ok
    site.things["/static/c1/i1/i1.json"].always = (Status(404),)
    assert "1 records" in await refused(url, dest, site, 4)


async def test_nothing_is_removed_when_one_collection_is_empty(site, dest):
    one, two = of(publish(site, ["a", "b"]), "c1"), of(publish(site, ["x"]), "c2")
    api = Api(site, one + two)
    for selection in (("c1", "c2"), ()):
        assert (await run(api.url, dest, *selection)).ok
    api.items = one[:1]
    assert "c2 is empty" in await refused(api.url, dest, site, 4, collections=("c1", "c2"))


async def test_nothing_is_removed_after_a_listing_of_mere_items(site, dest):
    items = publish(site, NAMES)
    assert (await run(items, dest)).ok
    assert "list of items" in await refused(items[:1], dest, site, 4, collections=())


async def test_nothing_is_removed_if_it_is_more_than_max_delete(site, dest):
    items = publish(site, [f"i{n:02}" for n in range(24)], size=100)
    api = Api(site, items)
    assert (await run(api.url, dest, "c1")).ok
    api.items = items[12:]
    assert "12 of 24 assets would be removed, 10 may be" in await refused(api.url, dest, site, 4)
    assert "11 may" in await refused(api.url, dest, site, 4, max_delete=11)
    assert (await run(api.url, dest, "c1", prune=True, max_delete=12)).ok
    assert len(Mirrored(dest).files) == 12
    api.items = items[13:]
    assert "0 may" in await refused(api.url, dest, site, 4, max_delete=0)
    assert (await run(api.url, dest, "c1", prune=True)).ok


async def test_max_delete_counts_items_where_they_have_no_assets(site, dest):
    api = Api(site, [stac_item(f"i{n:02}") for n in range(24)])
    assert (await run(api.url, dest, "c1")).ok
    api.items = api.items[12:]
    assert "12 of 24 items would be removed, 10 may be" in await refused(api.url, dest, site, 4)
    assert (await run(api.url, dest, "c1", prune=True, max_delete=12)).ok
    assert len(list((dest / "c1").glob("*/*.json"))) == 12


async def test_a_run_that_was_stopped_prunes_nothing(site, dest):
    items = publish(site, NAMES)
    api = Api(site, items)
    assert (await run(api.url, dest, "c1")).ok
    api.items = [items[0], *publish(site, ["n1", "n2"], size=300_000)]
    options = Options(Selection(collections=("c1",)), prune=True, max_transfer=1000, allow_private=True)
    assert (await mirror(api.url, dest, options)).exit_code == 8
    assert (dest / "c1/i3/data.tif").exists()


async def test_an_item_that_left_during_the_listing_is_removed_by_the_next_run(site, dest):
    items = publish(site, [*NAMES, "i4"])
    api = Api(site, items, 2, style="offset")
    page = site.routes["/stac/collections/c1/items"]

    def changing(seen):
        if "offset" in seen.query and items[0]["id"] == "i1":
            items.pop(0)
        return page(seen)

    site.route("/stac/collections/c1/items", changing)
    report = await run(api.url, dest, "c1", prune=True)
    assert report.ok and report.listing.vanished == 1 and not report.pruned.items
    assert (await run(api.url, dest, "c1", prune=True)).pruned.items == 1


def test_a_dry_run_lists_what_would_be_removed_and_changes_nothing(run_cli, troubled_thread, dest):
    site = troubled_thread.site()
    items = publish(site, [f"i{n}" for n in range(8)])
    api = Api(site, items)
    known = (api.url, dest, "-c", "c1")
    assert run_cli("mirror", *known).code == 0
    (dest / "c1/i1/data.tif").write_text("my own")
    before = {path: path.read_bytes() for path in dest.rglob("*") if path.is_file()}
    api.items = items[3:]
    told = run_cli("mirror", "-n", "--prune", *known)
    going = [f"c1/i{n}/{name}" for n in range(3) for name in ("data.tif", f"i{n}.json")]
    going.remove("c1/i1/data.tif")
    lines = told.out.splitlines()
    assert [line.removeprefix("would remove ") for line in lines if line.startswith("would remove")] == going
    assert "1 files that left the catalogue were changed here and are kept, e.g. c1/i1/data.tif" in lines
    prune = run_cli("mirror", "-n", "--prune", *known, "--json").events[-1]["prune"]
    assert prune["paths"] == going and (prune["assets"], prune["items"], prune["kept"]) == (2, 3, 1)
    refused = run_cli("mirror", "-n", "--prune", "--max-delete", 1, *known)
    assert (told.code, refused.code) == (0, 4) and "3 of 8 assets would be removed, 1 may be" in refused.out
    assert {path: path.read_bytes() for path in dest.rglob("*") if path.is_file()} == before
    done = run_cli("mirror", "--prune", *known)
    assert done.code == 0 and "pruned: 2 assets and 3 items" in done.err
    assert not any((dest / path).exists() for path in going)


def test_a_dry_run_without_a_mirror_and_one_of_a_selection_say_so(run_cli, troubled_thread, dest):
    site = troubled_thread.site()
    api = Api(site, publish(site, NAMES))
    assert run_cli("mirror", "-n", "--prune", api.url, dest, "-c", "c1").code == 0
    refused = run_cli("mirror", "-n", "--prune", api.url, dest, "-c", "c1", "--max-items", 1)
    assert refused.code == 2 and "--max-items" in refused.err and not dest.exists()


@posix_only
async def test_nothing_outside_dest_is_removed_whatever_the_ledger_and_links_say(site, dest):
    items = publish(site, NAMES)
    api = Api(site, items)
    assert (await run(api.url, dest, "c1")).ok
    outside = dest.parent / "outside"
    os.rename(dest / "c1/i1", outside)
    (dest / "c1/i1").symlink_to(outside)
    precious = dest.parent / "precious"
    precious.write_text("precious")
    about = precious.stat()
    with closing(sqlite3.connect(dest / ".mlhub/ledger.sqlite")) as database, database:
        database.execute(
            "UPDATE file SET path='../precious', size=?, mtime_ns=? WHERE item='i2' AND role=0",
            (about.st_size, about.st_mtime_ns),
        )
    api.items = items[2:]
    report = await run(api.url, dest, "c1", prune=True)
    assert report.ok and report.pruned.kept == 3
    assert precious.read_text() == "precious" and (outside / "data.tif").exists()


def test_only_empty_directories_are_removed(tmp_path):
    for path in ("a/b/c/one", "a/b/two", "d/three"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()

    def gone(path):
        about = (tmp_path / path).stat()
        return remove(tmp_path, Record(path, about.st_size, "", about.st_mtime_ns, Proof.NONE))

    assert gone("a/b/c/one") and gone("d/three")
    remove_empty(tmp_path, ["a/b/c/one", "d/three", "no/such/file", "top"])
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a", "b", "two"]
    assert remove(tmp_path, Record("a/none", 0, "", 0, Proof.NONE)) is None
    assert remove(tmp_path, Record("a/b/two", 1, "", 0, Proof.NONE)) is False
