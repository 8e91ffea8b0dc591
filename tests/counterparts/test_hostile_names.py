"""A mirror whose ids and keys mean something in URLs, as readers find it, on disk and served."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urldefrag, urljoin
from urllib.request import urlopen

import pystac
import pytest

from mlhub_async import Options, blocking
from support.counterparts import nginx, reserved_port, running
from support.engine import run
from support.mirrored import Mirrored
from support.server import Background, tif
from support.stac_server import stac_item

pytestmark = pytest.mark.xdist_group("hostile names")
NAMES = ["h#1", "50%", "x?y", "a%20b", "S2:A", "a b", "Flüße", "a;b", "a&b=c", "[a]", "a+b", "~a", "%2e"]
LABELS, SCENES = "urn:x:labels", "scenes ?#%41"
COUNT = len(NAMES)


@dataclass(frozen=True)
class Copy:
    """A mirror, its files by path, and all of its documents by path."""

    dest: Path
    files: dict[str, bytes]
    documents: set[str]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    dest = tmp_path_factory.mktemp("hostile") / "copy"
    with Background() as sites:
        site = sites.site()
        items = [one for number, name in enumerate(NAMES) for one in pair(site, name, number)]
        found = site.json("/found.json", {"type": "FeatureCollection", "features": items})
        blocking.mirror(found, dest, Options(allow_private=True)).raise_for_failures()
    names = {path.relative_to(dest).as_posix() for path in dest.rglob("*.json")}
    documents = {name for name in names if not name.startswith(".mlhub")}
    files = Mirrored(dest).files
    assert (len(files), len(documents)) == (2 * COUNT, 2 * COUNT + 3)
    yield Copy(dest, files, documents)


def pair(site, name, number):
    """A label and its source item. Their id is that name, and so is the key of their asset."""
    own = [{"rel": "self", "href": site.url(f"/items/{number}.json")}]
    label = stac_item(name, LABELS, **{name: site.put(f"/l{number}.tif", tif(500, number))})
    scene = stac_item(name, SCENES, **{name: site.put(f"/s{number}.tif", tif(600, number))})
    return label | {"links": [{**own[0], "rel": "source"}]}, scene | {"links": own}


@contextmanager
def served_by(server: str, folder: Path, dest: Path) -> Iterator[str]:
    """The mirror behind a server. Yields its URL."""
    if server == "nginx":
        with nginx(folder) as found:
            (folder / "root/copy").symlink_to(dest)
            yield found.url("/copy/")
        return
    folder.mkdir()
    with reserved_port() as port:
        argv = [sys.executable, "-m", "http.server", "-b", "127.0.0.1", "-d", dest, port]
        with running(argv, port, folder / "output.log"):
            yield f"http://127.0.0.1:{port}/"


def as_browser(href: str, base: str) -> str:
    """The URL of a link as a browser asks for it (WHATWG URL): a percent sign is one of an escape already."""
    return quote(urldefrag(urljoin(base, href)).url, safe="%/:;?@&=+$,!~*'()[]#")


def hrefs_of(document):
    kept = {"root", "parent", "collection", "child", "item", "source"}
    yield from (link["href"] for link in document["links"] if link["rel"] in kept)
    yield from (asset["href"] for asset in document.get("assets", {}).values())


def walk(root: str) -> dict[str, bytes]:
    """Everything that the links of a catalogue lead to, by URL."""
    found: dict[str, bytes] = {}
    waiting = [root]
    while waiting:
        if (url := waiting.pop()) not in found:
            with urlopen(url, timeout=20) as answer:
                found[url] = answer.read()
            if url.endswith(".json"):
                waiting += [as_browser(href, url) for href in hrefs_of(json.loads(found[url]))]
    return found


def test_no_name_has_a_percent_sign(copy):
    assert not [path for path in copy.dest.rglob("*") if "%" in path.name]


@pytest.mark.parametrize("server", ["nginx", "http.server"])
def test_every_document_and_file_comes_link_by_link(copy, tmp_path, server):
    with served_by(server, tmp_path / "server", copy.dest) as url:
        found = walk(f"{url}catalog.json")
    assert sum(one.endswith(".json") for one in found) == len(copy.documents)
    bodies = sorted(body for one, body in found.items() if not one.endswith(".json"))
    assert bodies == sorted(copy.files.values())


@pytest.mark.parametrize("server", ["nginx", "http.server", "disk"])
async def test_a_mirror_of_the_mirror_has_labels_and_imagery(copy, tmp_path, server):
    again = tmp_path / "again"
    if server == "disk":
        report = await run(copy.dest, again)
    else:
        with served_by(server, tmp_path / "server", copy.dest) as url:
            report = await run(f"{url}catalog.json", again)
    assert report.exit_code == 0 and report.dangling == 0
    assert Mirrored(again).files == copy.files


def test_pystac_finds_every_file_and_the_source_of_every_label(copy):
    items = list(pystac.Catalog.from_file(str(copy.dest / "catalog.json")).get_items(recursive=True))
    found = {(item.collection_id, item.id): item for item in items}
    assert found.keys() == {(collection, name) for collection in (LABELS, SCENES) for name in NAMES}
    for (_, name), item in found.items():
        assert Path(item.assets[name].get_absolute_href()).read_bytes() in copy.files.values()
    for name in NAMES:
        [source] = found[LABELS, name].get_stac_objects("source")
        assert (source.collection_id, source.id) == (SCENES, name)


RUSTAC_WALK = """import asyncio, json, os, rustac, sys
async def walk():
    root = await rustac.read(sys.argv[1])
    items = [item async for _, _, some in rustac.walk(root) for item in some]
    print(json.dumps([[item["collection"], item["id"]] for item in items]), flush=True)
    os._exit(0)  # its threads may outlive the interpreter
asyncio.run(walk())
"""


def test_rustac_walks_to_every_item(copy):
    pytest.importorskip("rustac")
    argv = [sys.executable, "-c", RUSTAC_WALK, copy.dest / "catalog.json"]
    ended = subprocess.run(argv, capture_output=True, check=True, timeout=60)
    found = sorted(map(tuple, json.loads(ended.stdout)))
    assert found == sorted((collection, name) for collection in (LABELS, SCENES) for name in NAMES)


@pytest.mark.filterwarnings("ignore:.*no geotransform")  # rasterio's class cannot be named without it
def test_gdal_opens_every_file_by_the_href_of_its_document(copy):
    rasterio = pytest.importorskip("rasterio")
    for name in copy.documents:
        document = json.loads((copy.dest / name).read_text())
        for asset in document.get("assets", {}).values():
            with rasterio.open((copy.dest / name).parent / asset["href"]) as picture:
                assert picture.height == 1 and picture.width > 300
