"""Archives that are read for a plan or a check: data of a tar is not kept then, and may be asked for."""

import gzip
import io
import json
import tarfile

import pytest

from mlhub_async import Selection, mirror
from mlhub_async.engine.planning.differences import diff
from mlhub_async.engine.planning.lock_check import check_lockfile
from mlhub_async.engine.planning.lockfile import lock
from mlhub_async.engine.planning.plan import plan_only
from support.archives import tarred, zipped
from support.engine import make_options, run
from support.server import tif
from support.stac_server import stac_collection, stac_item

SPLITS = {"train_split": {"href": "./lists/train.csv"}, "test_split": {"href": "./lists/test.csv"}}


@pytest.fixture
async def site(troubled):
    return await troubled.site()


def catalogue(count=3):
    names = [f"i{number}" for number in range(count)]
    links = [{"rel": "item", "href": f"./{name}/{name}.json"} for name in names]
    collection = {**stac_collection("c1", assets=SPLITS), "links": links}
    files = {"c1/collection.json": json.dumps(collection).encode()}
    for number, name in enumerate(names):
        files[f"c1/{name}/{name}.json"] = json.dumps(stac_item(name, data="./data.tif")).encode()
        files[f"c1/{name}/data.tif"] = tif(3_000 + number, number)
    return {**files, "c1/lists/train.csv": b"id\ni0\ni2\n", "c1/lists/test.csv": b"id\ni1\n"}


def with_linked_list(files):
    """The same archive, with the first list as a hard link."""
    made = io.BytesIO(tarred({("c1/lists.txt" if "train" in name else name): files[name] for name in files}))
    with tarfile.open(fileobj=made, mode="a") as archive:
        link = tarfile.TarInfo("c1/lists/train.csv")
        link.type, link.linkname = tarfile.LNKTYPE, "c1/lists.txt"
        archive.addfile(link)
    return made.getvalue()


def subset(name, **more):
    return make_options(Selection(subset=name), allow_private=True, **more)


@pytest.mark.parametrize("name", ["train", "test"])
@pytest.mark.parametrize("made", [tarred, with_linked_list], ids=["file", "link"])
async def test_lists_of_subsets_are_read(site, dest, name, made):
    url = site.put("/a.tar.gz", gzip.compress(made(catalogue())), etag='"1"')
    items = {"train": 2, "test": 1}[name]
    plan = await plan_only(url, subset(name))
    assert (plan.exit_code, plan.items) == (0, items)
    found = await diff(url, dest, subset(name))
    assert found.exit_code == 0 and found.plan.items == items


@pytest.mark.parametrize("place", ["url", "path"])
async def test_digests_of_members_check_a_lockfile(site, dest, tmp_path, place):
    """The validators in the lockfile are those of another server: the digests decide, and no body is read."""
    files = catalogue()
    for name, data in files.items():
        site.put(f"/{name}", data)
    assert (await run(site.url("/c1/collection.json"), dest)).ok
    locked = lock(dest, tmp_path / "data.lock")
    path = tmp_path / "a.tar.gz"
    there = str(path) if place == "path" else site.url("/a.tar.gz")
    files["c1/i1/data.tif"] = tif(3_001, 99)
    path.write_bytes(gzip.compress(tarred(files)))
    site.put("/a.tar.gz", path.read_bytes(), etag='"1"')
    site.things = {"/a.tar.gz": site.things["/a.tar.gz"]}
    others = []
    options = make_options(allow_private=True, from_source=there)
    found = await check_lockfile(locked, options, {}, others.append)
    assert (found.exit_code, found.decided, found.received) == (4, {"head": 4}, 0)
    assert [(one.row.path, str(one.found)) for one in others] == [("c1/i1/data.tif", "digest")]


@pytest.mark.parametrize("name", ["a.tar.gz", "a.zip"])
async def test_sizes_that_the_catalogue_does_not_declare_are_those_of_the_members(site, dest, name):
    files = catalogue()
    sizes = [len(data) for path, data in files.items() if not path.endswith(".json")]
    archive = gzip.compress(tarred(files)) if name == "a.tar.gz" else zipped(files)
    url = site.put(f"/{name}", archive, etag='"1"')
    plan = await plan_only(url, make_options(allow_private=True))
    assert (plan.assets, plan.known_bytes, plan.unknown_sizes) == (5, sum(sizes), 0)
    small = make_options(Selection(max_size=3_000), allow_private=True)
    assert (await plan_only(url, small)).assets == (await mirror(url, dest, small)).selected == 3
