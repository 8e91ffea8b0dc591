"""A mirror of an earlier version, with percent signs in its names: the next run renames its files."""

import asyncio
import contextlib
import sys
from pathlib import Path

import pystac
import pytest

from mlhub_async import Options, mirror, verify
from mlhub_async.core.errors import StorageError
from mlhub_async.storage.local.store import LocalStore
from mlhub_async.storage.naming import safe_component
from mlhub_async.storage.renaming import steps
from mlhub_async.storage.renaming.names import present_path
from support.engine import AT_ONCE
from support.mirrored import asset_requests
from support.old_names import old_component, old_names
from support.server import tif
from support.stac_server import stac_item

RECORDED = {
    "S2:A": "S2%3AA~fd70f674b9",
    "50%": "50%25~28fdae8dea",
    "a%20b": "a%2520b~719b5ec792",
    "a b": "a b",
    "../x": "%2E.%2Fx~d6b96a97d1",
}
"""Names that the released program made."""
IDS = [*RECORDED, "h#1", "x?y", "é:1", "~", "q" * 200 + ":", "NUL.tif", "plain"]


@pytest.fixture
async def site(troubled):
    return await troubled.site()


def items(site, collection="urn:c"):
    return [
        stac_item(
            name,
            collection,
            **{name: site.put(f"/{n}-a.tif", tif(500, n)), "data": site.put(f"/{n}-b.tif", tif(600, n))},
        )
        for n, name in enumerate(IDS)
    ]


async def run(source, dest, **options):
    return await mirror(source, dest, Options(retry=AT_ONCE, allow_private=True, **options))


async def made_by_an_old_version(site, dest, **options):
    source = items(site)
    with old_names(dest):
        assert (await run(source, dest, **options)).ok
    return source


def percent(dest):
    return [path for path in dest.rglob("*") if "%" in path.name]


def asset_files(dest):
    """The paths of all assets, found as pystac finds them."""
    found = [
        Path(asset.get_absolute_href())
        for item in pystac.Catalog.from_file(str(dest / "catalog.json")).get_items(recursive=True)
        for asset in item.assets.values()
    ]
    assert all(path.is_file() for path in found)
    return found


def test_the_recorded_names_are_those_that_these_tests_make():
    assert {text: old_component(text) for text in RECORDED} == RECORDED


@pytest.mark.parametrize("name", IDS)
def test_an_old_name_becomes_the_present_one(name):
    folder = old_component(name, 5)
    assert present_path(f"c/{folder}/{folder}.json").split("/")[1] == safe_component(name, 5)
    assert present_path(f"c/{folder}/{folder}.json").split("/")[2] == f"{safe_component(name, 5)}.json"
    assert present_path(old_component(f"{name}.tif")) == safe_component(f"{name}.tif")


@pytest.mark.parametrize("hrefs", ["relative", "absolute"])
async def test_the_next_run_renames_all_files_and_fetches_none(site, dest, hrefs):
    source = await made_by_an_old_version(site, dest, asset_hrefs=hrefs)
    assert len(percent(dest)) > 20 and (await verify(dest)).exit_code == 0
    site.log.clear()
    report = await run(source, dest, asset_hrefs=hrefs)
    assert report.ok and report.fetched == 0 and asset_requests(site) == []
    assert percent(dest) == [] and (await verify(dest)).exit_code == 0
    assert (await verify(dest)).foreign == []
    assert len(asset_files(dest)) == 2 * len(IDS)
    fresh = dest.parent / "fresh"
    assert (await run(source, fresh)).ok
    assert {p.relative_to(dest) for p in dest.rglob("*.tif")} == {
        p.relative_to(fresh) for p in fresh.rglob("*.tif")
    }


async def test_a_run_of_something_else_renames_them_too_and_leaves_a_catalogue_that_can_be_read(site, dest):
    await made_by_an_old_version(site, dest)
    other = [stac_item("other", "c2", data=site.put("/other.tif", tif(700, 1)))]
    assert (await run(other, dest)).ok
    assert percent(dest) == [] and (await verify(dest)).exit_code == 0
    assert len(asset_files(dest)) == 2 * len(IDS) + 1


async def test_a_name_that_is_taken_keeps_the_old_one(site, dest):
    source = await made_by_an_old_version(site, dest)
    [old] = [path for path in dest.glob("*/S2%3AA~*/data.tif")]
    taken = dest / present_path(old.relative_to(dest).as_posix())
    taken.parent.mkdir(parents=True)
    taken.write_bytes(b"somebody else's")
    report = await run(source, dest)
    assert report.ok and report.fetched == 0
    assert old.read_bytes() == tif(600, 0) and taken.read_bytes() == b"somebody else's"
    assert (await verify(dest)).exit_code == 0 and old in asset_files(dest)
    assert (await run(source, dest)).fetched == 0


STEPS = ["rename", "put_pieces", "record", "settle_document", "remove_empty_directories", "end"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("count", [0, 1, 7])
async def test_a_renaming_that_ended_half_way_is_intact_and_goes_on(site, dest, monkeypatch, step, count):
    """What the end of the process leaves at any step is a mirror that `verify` finds whole."""
    source = await made_by_an_old_version(site, dest)
    with monkeypatch.context() as patched, contextlib.suppress(StorageError):
        end_at(patched, step, count)
        await run(source, dest)
    assert (await verify(dest)).exit_code == 0
    site.log.clear()
    assert (await run(source, dest)).ok and asset_requests(site) == []
    assert percent(dest) == [] and (await verify(dest)).exit_code == 0
    assert len(asset_files(dest)) == 2 * len(IDS)


def end_at(monkeypatch, step, count):
    """Let the `count`-th call of a step of the renaming, and all later ones, end it."""

    def ending(call):
        calls = iter(range(count))

        def wrapper(*args, **named):
            if next(calls, None) is None:
                raise StorageError("ended here")
            return call(*args, **named)

        return wrapper

    if step == "put_pieces":
        make = LocalStore.__init__

        def init(self, *args, **named):
            make(self, *args, **named)
            self.put_pieces = ending(self.put_pieces)

        monkeypatch.setattr(LocalStore, "__init__", init)
    else:
        place = LocalStore if step in ("rename", "remove_empty_directories") else steps.journal
        monkeypatch.setattr(place, step, ending(getattr(place, step)))


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
async def test_kill_9_during_the_renaming_costs_nothing(run_cli, site, dest, tmp_path):
    source = await made_by_an_old_version(site, dest)
    url, before = (
        site.json("/items.json", {"type": "FeatureCollection", "features": source}),
        len(percent(dest)),
    )
    assert before
    code = (
        "import sys; sys.argv[0] = 'mlhub-async'\n"
        "from mlhub_async.storage.local import store\n"
        "made, rename, calls = None, store.LocalStore.rename, iter(range(9))\n"
        "def renamed(*a):\n"
        "    next(calls, None) is None and __import__('os').kill(__import__('os').getpid(), 9)\n"
        "    return rename(*a)\n"
        "store.LocalStore.rename = renamed\n"
        "from mlhub_async.__main__ import main\n"
        "main()\n"
    )
    killed = run_cli.start_raw(sys.executable, "-c", code, "mirror", url, dest, "-q")
    await asyncio.to_thread(killed.process.communicate)
    assert killed.process.returncode == -9 and 0 < len(percent(dest)) < before
    assert (await verify(dest)).exit_code == 0
    site.log.clear()
    assert (await run(url, dest)).ok and asset_requests(site) == [] and percent(dest) == []
    assert (await verify(dest)).exit_code == 0


@pytest.mark.parametrize("what", ["item", "collection"])
async def test_two_that_differ_in_case_only_have_directories_of_their_own(site, dest, what):
    """So on a disk where case does not count, neither has files of the other."""
    found = [
        stac_item(
            *(("one", name) if what == "collection" else (name, "c1")),
            data=site.put(f"/{name}.tif", tif(9, n)),
        )
        for n, name in enumerate(["Ab", "aB", "ab"])
    ]
    assert (await run(found, dest)).ok
    folders = {path.relative_to(dest).as_posix().lower() for path in dest.glob("*/*") if path.is_dir()}
    assert len([folder for folder in folders if not folder.startswith(".")]) == 3
    assert len(asset_files(dest)) == 3
    more = [
        dict(one, assets={**one["assets"], "more": {"href": site.put(f"/{n}.csv", b"a,b")}})
        for n, one in enumerate(found)
    ]
    assert (await run(more, dest)).fetched == 3
    assert {path.parent for path in dest.rglob("more.csv")} == {
        path.parent for path in dest.rglob("data.tif")
    }
    assert (await verify(dest)).exit_code == 0 and not list(dest.rglob("*~*~*"))
