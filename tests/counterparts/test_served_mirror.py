"""A served mirror as other programs read it: pystac, GDAL's /vsicurl/, curl, our own mirror."""

import asyncio
import hashlib
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pystac
import pytest

import mlhub_async
from mlhub_async.api.pages.serving import ServeConfig, serve
from support.mirrored import Mirrored
from support.served import LABELS, SOURCES, copy_demo

pytestmark = pytest.mark.xdist_group("readers")


@contextmanager
def in_thread(dest: Path) -> Iterator[str]:
    """The URL of the mirror, served in the event loop of a thread: the readers block."""
    loop = asyncio.new_event_loop()
    end, url = asyncio.Event(), loop.create_future()

    async def run() -> None:
        async with serve(ServeConfig(dest, port=0)) as address:
            url.set_result(address)
            await end.wait()

    async def address() -> str:
        return str(await url)

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(address(), loop).result(100)
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join()
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


@pytest.fixture(scope="module")
def mirror(tmp_path_factory):
    dest = tmp_path_factory.mktemp("served") / "mirror"
    asyncio.run(copy_demo(dest))
    return dest


@pytest.fixture
def url(mirror):
    with in_thread(mirror) as url:
        yield url


def test_pystac_walks_it_and_finds_every_file(url, mirror):
    catalog = pystac.Catalog.from_file(f"{url}/catalog.json")
    items = list(catalog.get_items(recursive=True))
    assert {item.collection_id for item in items} == {LABELS, SOURCES} and len(items) == 6
    for item in items:
        hrefs = [asset.get_absolute_href() for asset in item.assets.values()]
        assert hrefs and all(href.startswith(f"{url}/") for href in hrefs)
        assert all((mirror / href.removeprefix(f"{url}/")).is_file() for href in hrefs)
    label = next(item for item in items if item.collection_id == LABELS)
    sources = [link.resolve_stac_object().target for link in label.get_links("source")]
    assert [source.collection_id for source in sources] == [SOURCES, SOURCES]


WINDOW = """
import sys, rasterio
with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"), rasterio.open(sys.argv[1]) as raster:
    window = rasterio.windows.Window(10, 20, 30, 40)
    print(raster.crs, raster.transform, raster.read(1, window=window).tolist())
"""


def test_gdal_reads_a_window_of_a_chip_by_ranges(url, mirror):
    pytest.importorskip("rasterio")
    path = next(mirror.glob(f"{SOURCES}/*/B04.tif"))
    name = path.relative_to(mirror).as_posix()
    # In a process of its own: GDAL keeps connections and the database of PROJ open.
    local, remote = (
        subprocess.run([sys.executable, "-c", WINDOW, place], check=True, capture_output=True, timeout=100)
        for place in (path, f"/vsicurl/{url}/{name}")
    )
    assert remote.stdout == local.stdout and b"EPSG:" in remote.stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_resumes_a_file_and_gets_the_manifest(url, mirror, tmp_path):
    path = next(mirror.glob(f"{SOURCES}/*/B04.tif"))
    part = tmp_path / "B04.tif"
    part.write_bytes(path.read_bytes()[:1000])
    address = f"{url}/{path.relative_to(mirror).as_posix()}"
    subprocess.run(["curl", "-sS", "-f", "-C", "-", "-o", part, address], check=True, timeout=100)
    assert part.read_bytes() == path.read_bytes()
    command = ["curl", "-sS", "-f", f"{url}/.mlhub/manifest.txt"]
    manifest = subprocess.run(command, check=True, capture_output=True, timeout=100).stdout
    assert hashlib.sha256(manifest).hexdigest() == Mirrored(mirror).receipt["manifest_sha256"]


def test_a_second_mirror_and_a_third_of_that_have_the_same_manifest(url, mirror, tmp_path):
    second, third = tmp_path / "second", tmp_path / "third"
    assert mlhub_async.blocking.mirror(f"{url}/catalog.json", second).exit_code == 0
    with in_thread(second) as again:
        assert mlhub_async.blocking.mirror(f"{again}/catalog.json", third).exit_code == 0
    receipts = [Mirrored(one).receipt for one in (mirror, second, third)]
    assert len({receipt["manifest_sha256"] for receipt in receipts}) == 1
    assert receipts[2]["assets"]["verified_checksum"] == receipts[0]["assets"]["selected"]
