"""Mirrors as pystac reads and validates them, and mirrors of the items that pystac-client finds."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pystac
import pystac_client
import pytest

import mlhub_async
from support.counterparts import FileServer, file_server, rustac
from support.mirrored import Mirrored
from support.schemas import offline_validator
from support.server import tif
from support.stac_server import sizes_and_digests, stac_collection, stac_item

pytestmark = pytest.mark.xdist_group("readers")
COUNT = 12


@dataclass(frozen=True)
class Served:
    """The root URL of an API, and the server of the files of its items."""

    api: str
    files: FileServer


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("readers")
    with file_server(folder / "files") as files:
        items = [item_of(files, number) for number in range(COUNT)]
        documents = [stac_collection("c1"), {"type": "FeatureCollection", "features": items}]
        with rustac(folder / "api", documents) as api:
            yield Served(api, files)


def item_of(files, number):
    picture, table = tif(5000, number), f"a,b\n{number},1\n".encode()
    return stac_item(
        f"i{number:02}",
        data={"href": files.put(f"/{number}.tif", picture), **sizes_and_digests(picture), "roles": ["data"]},
        table={"href": files.put(f"/{number}.csv", table), "type": "text/csv"},
    )


def bytes_of(number):
    folder, table = f"c1/i{number:02}", f"a,b\n{number},1\n".encode()
    return {f"{folder}/data.tif": tif(5000, number), f"{folder}/table.csv": table}


def read_and_validated(dest: Path) -> pystac.Catalog:
    offline_validator()
    catalog = pystac.Catalog.from_file(str(dest / "catalog.json"))
    catalog.validate_all()
    return catalog


def asset_paths(catalog: pystac.Catalog) -> list[Path]:
    """The paths of the assets of items and collections, according to pystac."""
    owners = [*catalog.get_items(recursive=True), *catalog.get_collections()]
    return [Path(asset.get_absolute_href()) for owner in owners for asset in owner.assets.values()]


def test_pystac_validates_a_mirror_of_rustac_and_finds_every_file_after_a_move(
    served, run_cli, dest, tmp_path
):
    ended = run_cli("mirror", served.api, dest, "-c", "c1", "--limit", 5)
    assert ended.code == 0, ended.err
    catalog = read_and_validated(dest)
    assert len(list(catalog.get_items(recursive=True))) == COUNT
    assert sorted(asset_paths(catalog)) == sorted(dest / name for name in Mirrored(dest).files)
    moved = tmp_path / "moved"
    shutil.move(dest, moved)
    assert sorted(asset_paths(read_and_validated(moved))) == sorted(
        moved / name for name in Mirrored(moved).files
    )
    assert run_cli("verify", moved).code == 0


def test_pystac_validates_a_mirror_of_the_demo_and_finds_every_file_after_a_move(run_cli, tmp_path):
    here, moved = tmp_path / "demo", tmp_path / "moved"
    ended = run_cli("demo", here, "--items", 3, "--dates", 2)
    assert ended.code == 0, ended.err
    read_and_validated(here)
    shutil.move(here, moved)
    found = asset_paths(read_and_validated(moved))
    assert len(found) > 10 and sorted(found) == sorted(moved / name for name in Mirrored(moved).files)


def test_pystac_reads_absolute_hrefs_of_an_item_without_its_location(served, run_cli, dest):
    assert run_cli("mirror", served.api, dest, "-c", "c1", "--asset-hrefs", "absolute").code == 0
    item = pystac.Item.from_dict(Mirrored(dest).item("i03"))
    assert Path(item.assets["data"].href).read_bytes() == tif(5000, 3)


@contextmanager
def searching(served: Served, **about: Any) -> Iterator[pystac_client.ItemSearch]:
    """A search by pystac-client, whose connections are closed afterwards."""
    client = pystac_client.Client.open(served.api)
    try:
        yield client.search(collections=["c1"], limit=5, **about)
    finally:
        client._stac_io.session.close()


async def test_items_that_pystac_client_finds_are_mirrored(served, dest):
    with searching(served, max_items=7) as search:
        report = await mlhub_async.mirror(search.items(), dest)
    report.raise_for_failures()
    mirror = Mirrored(dest)
    mirror.check(0)
    assert mirror.files == {name: body for number in range(7) for name, body in bytes_of(number).items()}
    assert len(list(read_and_validated(dest).get_items(recursive=True))) == 7


async def test_a_second_run_over_an_item_collection_fetches_nothing(served, dest):
    with searching(served) as search:
        found = search.item_collection()
    before = served.files.request_count(".tif")
    for expected in (2 * COUNT, 0):
        report = await mlhub_async.mirror(found, dest)
        assert (report.ok, report.selected, report.fetched) == (True, 2 * COUNT, expected)
    assert served.files.request_count(".tif") - before == COUNT


def test_pystac_finds_every_file_whatever_the_ids_and_keys_contain(run_cli, site, dest):
    names = ["a#b", "a;b", "a?b", "a%b", "a%20b", "a b", "a:b", "a/b", "é", "a&b=c", "[a]"]
    url = site.put("/a.tif", tif(10))
    items = [stac_item(name, **{name: url}) for name in names]
    found = site.json("/found.json", {"type": "FeatureCollection", "features": items})
    assert run_cli("mirror", found, dest).code == 0
    read = list(pystac.Catalog.from_file(str(dest / "catalog.json")).get_items(recursive=True))
    assert {item.id for item in read} == set(names)
    for item in read:
        assert Path(item.assets[item.id].get_absolute_href()).is_file()
