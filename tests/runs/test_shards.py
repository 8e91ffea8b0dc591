"""A mirror in shards, each by a run of its own, and what `merge` makes of them."""

import json
import sqlite3
import sys
from contextlib import closing

import pytest

from mlhub_async import CatalogError, Options, Selection, UsageError, diff, mirror, verify
from mlhub_async.core.errors import Locked
from mlhub_async.engine.finish.shards.folding import DamagedShard
from mlhub_async.engine.mirror import merge
from mlhub_async.engine.placement.shards import Shard
from mlhub_async.engine.planning.plan import plan_only
from mlhub_async.storage.layout import shard_state
from mlhub_async.storage.local.store import LocalStore
from support.mirrored import Mirrored
from support.server import tif
from support.stac_server import stac_collection, stac_item

COUNT = 24
SHARDS = 4


def written(folder, count=COUNT, name="labels"):
    """A catalogue on disk: items with two assets each that link to the one after, and a collection asset."""
    folder.mkdir(parents=True, exist_ok=True)
    links = []
    for number in range(count):
        item = stac_item(f"i{number}", name, data=f"{number}.tif", mask=f"m{number}.tif")
        after = (number + 1) % count
        item["links"] = [{"rel": "source", "href": f"./i{after}.json"}]
        (folder / f"i{number}.json").write_text(json.dumps(item))
        (folder / f"{number}.tif").write_bytes(tif(900, number))
        (folder / f"m{number}.tif").write_bytes(tif(300, 1_000 + number))
        links.append({"rel": "item", "href": f"./i{number}.json"})
    collection = stac_collection(name, assets={"about": {"href": "./about.tif"}})
    collection["links"] = links
    (folder / "about.tif").write_bytes(tif(100, 7))
    (folder / "collection.json").write_text(json.dumps(collection))
    return folder


@pytest.fixture
def source(tmp_path):
    return written(tmp_path / "source")


async def shard(source, dest, number, count=SHARDS, **options):
    return await mirror(source, dest, Options(shard=f"{number}/{count}", **options))


async def all_shards(source, dest, **options):
    reports = [await shard(source, dest, number, **options) for number in range(1, SHARDS + 1)]
    assert [report.exit_code for report in reports] == [0] * SHARDS
    return reports


def tree(dest):
    """All files but the state, by path."""
    files = {path.relative_to(dest).as_posix(): path for path in dest.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if not name.startswith(".mlhub/")}


async def test_shards_are_joined_to_the_mirror_that_one_process_makes(source, tmp_path):
    whole = await mirror(source, tmp_path / "one/data")
    dest = tmp_path / "several/data"
    reports = await all_shards(source, dest)
    assert not (dest / "catalog.json").exists() and not (dest / ".mlhub/receipt.json").exists()
    assert sum(report.selected for report in reports) == whole.selected == 2 * COUNT + 1
    assert all(report.receipt_path.is_file() for report in reports)
    report = await merge(dest)
    assert report.exit_code == 0 and report.manifest_sha256 == whole.manifest_sha256
    assert tree(dest) == tree(tmp_path / "one/data")
    Mirrored(dest).check(0)
    assert (await verify(dest)).exit_code == 0
    assert not (dest / ".mlhub/shards").exists()
    again = await mirror(source, dest)
    assert (again.exit_code, again.fetched, again.skipped) == (0, 0, whole.selected)
    assert again.manifest_sha256 == whole.manifest_sha256


async def test_a_saved_plan_and_items_that_are_listed_twice_give_the_same(source, tmp_path):
    lines = [json.loads(path.read_text()) for path in sorted(source.glob("i*.json"))]
    for item in lines:
        for asset in item["assets"].values():
            asset["href"] = (source / asset["href"]).as_uri()
    plan = source / "plan.ndjson"
    plan.write_text("\n".join(map(json.dumps, [*lines, *lines[:5]])))
    whole = await mirror(plan, tmp_path / "one")
    await all_shards(plan, tmp_path / "several")
    report = await merge(tmp_path / "several")
    assert report.manifest_sha256 == whole.manifest_sha256
    assert report.listing.unique == whole.listing.unique == COUNT
    receipt = Mirrored(tmp_path / "several").receipt
    assert receipt["listing"]["unique"] == COUNT and receipt["listing"]["joined"] == SHARDS


def test_each_item_has_one_shard_for_ever():
    names = [("c", f"i{number}") for number in range(400)] + [("c", "")]
    for count in (1, 3, 16):
        owners = [[k for k in range(1, count + 1) if Shard(k, count).has(*name)] for name in names]
        assert all(len(one) == 1 for one in owners)
        assert {k for (k,) in owners} == set(range(1, count + 1))
    assert [k for k in range(1, 17) if Shard(k, 16).has("ref_landcovernet_v1_labels", "x")] == [4]


async def test_a_missing_or_unfinished_shard_is_told_and_nothing_is_joined(source, tmp_path):
    dest = tmp_path / "dest"
    for number in (1, 2, 4):
        await shard(source, dest, number)
    with pytest.raises(
        CatalogError, match=r"shard 3/4 is missing.*source.*there are 3 of 4 in .*shards"
    ) as raised:
        await merge(dest)
    assert raised.value.exit_code == 5
    stopped = await shard(source, dest, 3, max_transfer=1_000)
    assert stopped.exit_code == 8
    with pytest.raises(CatalogError, match="shard 3/4 ended with exit code 8"):
        await merge(dest)
    (dest / ".mlhub/shards/3-of-4/receipt.json").unlink()
    with pytest.raises(CatalogError, match="shard 3/4 has no receipt"):
        await merge(dest)
    assert not (dest / "catalog.json").exists() and not (dest / ".mlhub/ledger.sqlite").exists()
    await shard(source, dest, 3)
    assert (await merge(dest)).exit_code == 0


async def test_what_fails_for_good_is_in_the_joined_receipt(source, tmp_path):
    (source / "5.tif").unlink()
    whole = await mirror(source, tmp_path / "one")
    dest = tmp_path / "dest"
    codes = [(await shard(source, dest, number)).exit_code for number in range(1, SHARDS + 1)]
    assert sorted(codes) == [0, 0, 0, 4] and whole.exit_code == 4
    report = await merge(dest)
    assert report.exit_code == 4 and report.manifest_sha256 == whole.manifest_sha256
    assert [row["item"] for row in Mirrored(dest).errors] == ["i5"]
    Mirrored(dest).check(4)
    assert (await verify(dest)).damage == []


PLACE = "path=?, fold=?, size=?, mtime_ns=?"


def changed(ledger, statement, *values):
    with closing(sqlite3.connect(ledger)) as database, database:
        assert database.execute(statement, values).rowcount


@pytest.mark.parametrize("what", ["file", "missing file", "ledger", "foreign item", "same path"])
async def test_a_damaged_shard_is_told_and_nothing_is_joined(source, tmp_path, what):
    dest = tmp_path / "dest"
    await all_shards(source, dest)
    ledger = dest / ".mlhub/shards/2-of-4/ledger.sqlite"
    owned = next(number for number in range(COUNT) if Shard(2, SHARDS).has("labels", f"i{number}"))
    other = next(number for number in range(COUNT) if Shard(1, SHARDS).has("labels", f"i{number}"))
    path = dest / f"labels/i{owned}/data.tif"
    if what == "file":
        path.write_bytes(b"II*\0 something else")
    elif what == "missing file":
        path.unlink()
    elif what == "ledger":
        ledger.write_bytes(ledger.read_bytes()[:5_000] + bytes(8_000))
    elif what == "foreign item":
        changed(ledger, "UPDATE file SET item=? WHERE item=?", f"i{other}", f"i{owned}")
    else:
        taken = f"labels/i{other}/data.tif"
        facts = (dest / taken).stat()
        row = (taken, taken, facts.st_size, facts.st_mtime_ns, f"i{owned}")
        changed(ledger, f"UPDATE file SET {PLACE} WHERE item=? AND key='data'", *row)
    before = tree(dest)
    with pytest.raises(DamagedShard, match="shard 2/4: ") as raised:
        await merge(dest)
    assert raised.value.exit_code == 6 and tree(dest) == before
    assert not (dest / ".mlhub/ledger.sqlite").exists() and (dest / ".mlhub/shards/1-of-4").is_dir()
    if "file" in what:
        await shard(source, dest, 2)
        assert (await merge(dest)).exit_code == 0


async def test_names_of_two_shards_that_differ_by_case_alone_are_told(site, tmp_path):
    """Each shard gives the plain name to its own; one run gives another name to the second."""
    first, second = (Shard(number, 2) for number in (1, 2))
    name = next(
        one
        for one in map("i{}".format, range(99))
        if first.has("c1", one) and second.has("c1", "I" + one[1:])
    )
    items = [stac_item(one, data=site.put(f"/{one}.tif", tif(1_000))) for one in (name, name.upper())]
    for number in (1, 2):
        await mirror(items, tmp_path / "shards", Options(shard=f"{number}/2", allow_private=True))
    with pytest.raises(DamagedShard, match=f"{name.upper()}.* differ by case alone: run without --shard"):
        await merge(tmp_path / "shards")
    assert (await mirror(items, tmp_path / "whole", Options(allow_private=True))).ok
    assert len(Mirrored(tmp_path / "whole").files) == 2


async def test_shards_of_different_mirrors_are_not_joined(source, tmp_path):
    dest = tmp_path / "dest"
    other = written(tmp_path / "other", name="labels")
    await all_shards(source, dest)
    await shard(other, dest, 2)
    with pytest.raises(
        UsageError,
        match=r"shard 2/4 has another source than shard 1/4 .*other/.* in .*2-of-4, .*source/.* in .*1-of-4",
    ):
        await merge(dest)
    await shard(source, dest, 2)
    written(source, COUNT + 1)
    await shard(source, dest, 3)
    with pytest.raises(CatalogError, match=r"shard 3/4 .*3-of-4. listed other items than shard 1/4"):
        await merge(dest)
    await all_shards(source, dest)
    assert (await merge(dest)).listing.unique == COUNT + 1


async def test_a_refreshed_listing_leaves_out_what_is_gone(source, tmp_path):
    dest = tmp_path / "dest"
    await all_shards(source, dest)
    written(source, COUNT - 4)
    await all_shards(source, dest)
    report = await merge(dest)
    whole = await mirror(source, tmp_path / "one")
    assert report.exit_code == 0 and report.manifest_sha256 == whole.manifest_sha256
    assert (await verify(dest)).exit_code == 0


async def test_whole_mirrors_and_shards_are_not_mixed(source, tmp_path):
    await shard(source, tmp_path / "shards", 1)
    with pytest.raises(UsageError, match="mlhub-async merge"):
        await mirror(source, tmp_path / "shards")
    for read in (verify(tmp_path / "shards"), diff(source, tmp_path / "shards")):
        with pytest.raises(UsageError, match="mlhub-async merge"):
            await read
    await mirror(source, tmp_path / "whole")
    with pytest.raises(UsageError, match="run without --shard"):
        await shard(source, tmp_path / "whole", 1)
    with pytest.raises(UsageError, match="has no shards"):
        await merge(tmp_path / "whole")
    await shard(source, tmp_path / "shards", 1, count=2)
    with pytest.raises(UsageError, match=r"different numbers \(N=2, N=4\)"):
        await merge(tmp_path / "shards")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prune": True}, "--prune needs the whole mirror"),
        ({"index": True}, "--index needs the whole mirror"),
        ({"croissant": True}, "--croissant needs the whole mirror"),
        ({"path_template": "${collection}/${filename}"}, "--shard needs paths"),
        ({"layout": "torchgeo"}, "--shard needs paths"),
    ],
)
async def test_options_that_shards_cannot_have_are_refused(source, dest, options, message):
    with pytest.raises(UsageError, match=message):
        await shard(source, dest, 1, **options)
    assert not dest.exists()


async def test_shards_of_some_items_are_made_of_a_saved_plan(source, dest):
    """Of a crawled catalogue each run would take other ones."""
    with pytest.raises(UsageError, match=r"--max-items.*plan SOURCE --max-items N --save"):
        await mirror(source, dest, Options(Selection(max_items=5), shard="1/2"))
    assert not dest.exists()


async def test_a_plan_is_of_all_shards(source):
    with pytest.raises(UsageError, match="--shard is for mirror"):
        await plan_only(source, Options(shard="1/2"))


async def test_a_merge_that_was_killed_is_made_again(source, tmp_path):
    dest = tmp_path / "dest"
    await all_shards(source, dest)
    (dest / ".mlhub/ledger.sqlite").write_bytes(b"what a killed merge has left")
    (dest / ".mlhub/shards.merged/1-of-2").mkdir(parents=True)
    await shard(source, dest, 1)
    assert (await merge(dest)).exit_code == 0
    assert not (dest / ".mlhub/shards.merged").exists()
    assert (await verify(dest)).exit_code == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no shared locks")
def test_runs_that_would_disturb_each_other_are_kept_apart(run_cli, source, dest):
    store = LocalStore(dest, state=dest / shard_state(1, 2))
    with closing(store):
        store.open()
        assert run_cli("mirror", source, dest, "--shard", "1/2").code == Locked.exit_code
        assert run_cli("merge", dest).code == Locked.exit_code
        assert run_cli("mirror", source, dest).code == Locked.exit_code
        assert run_cli("mirror", source, dest, "--shard", "2/2").code == 0
    ended = run_cli("merge", dest)
    assert ended.code == 5 and "shard 1/2 has no receipt" in ended.err
    assert run_cli("mirror", source, dest).code == 2
    assert run_cli("mirror", source, dest, "--shard", "1/2").code == 0
    ended = run_cli("merge", dest, "--json")
    assert ended.code == 0 and ended.events[-1]["listing"]["joined"] == 2
    assert "2 shards joined" in ended.err
    assert run_cli("status", dest).code == run_cli("verify", dest).code == 0
