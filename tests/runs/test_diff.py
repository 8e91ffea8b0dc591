"""`diff`: what it says of each asset is what the next run does, and it changes nothing."""

import hashlib
import os
from collections import Counter
from pathlib import Path

import pytest

from mlhub_async import Options, Selection
from mlhub_async.core.errors import StorageError
from mlhub_async.engine.planning.comparison import Change
from mlhub_async.engine.planning.differences import diff
from support import engine
from support.mirrored import Mirrored, asset_requests, publish
from support.server import tif
from support.stac_server import Api, stac_item

NAMES = ["a", "b", "c", "d"]


def state(folder: Path) -> dict[str, tuple[int, str]]:
    """Every file below a folder, with its time and content."""
    return {
        path.relative_to(folder).as_posix(): (
            path.stat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in folder.rglob("*")
        if path.is_file()
    }


async def changes_of(source, dest, **options):
    """Change by (item, key), the differences, and the items whose document alone would be another one."""
    found, rewritten = {}, []

    def each(one):
        found.update({(one.item, asset.key): change for asset, _, change, _ in one.assets})
        rewritten.extend([one.item] if one.rewritten else [])

    differences = await diff(source, dest, engine.make_options(allow_private=True, **options), each=each)
    return found, differences, rewritten


@pytest.fixture
async def site(troubled):
    return await troubled.site()


async def test_a_mirror_of_the_same_catalogue_does_not_differ(site, dest):
    items = publish(site, NAMES)
    assert (await engine.run(items, dest)).exit_code == 0
    before = state(dest)
    found, differences, rewritten = await changes_of(items, dest)
    assert set(found.values()) == {Change.KEEP} and not differences.differs and rewritten == []
    assert differences.exit_code == 0 and differences.is_mirror and state(dest) == before
    assert len(asset_requests(site)) == 4


async def test_every_kind_of_difference_is_what_the_next_run_does(site, dest):
    items = publish(site, NAMES)
    assert (await engine.run(items[:3], dest)).exit_code == 0
    (dest / "c1/a/data.tif").unlink()
    (dest / "c1/b/data.tif").write_bytes(b"spoilt")
    items[2]["properties"]["title"] = "described otherwise"
    twin = stac_item("twin", data=items[3]["assets"]["data"]["href"])
    other = stac_item("other", data=items[2]["assets"]["data"]["href"])
    wanted, before = [*items, twin, other], state(dest)
    found, differences, rewritten = await changes_of(wanted, dest)
    assert found == {
        ("a", "data"): Change.FETCH,
        ("b", "data"): Change.REPLACE,
        ("c", "data"): Change.KEEP,
        ("d", "data"): Change.FETCH,
        ("twin", "data"): Change.LINK,
        ("other", "data"): Change.LINK,
    }
    assert rewritten == ["c"] and differences.differs and state(dest) == before
    site.log.clear()
    report = await engine.run(wanted, dest)
    assert report.exit_code == 0
    fetched = Counter(seen.path for seen in asset_requests(site))
    assert fetched == {"/a.tif": 1, "/b.tif": 1, "/d.tif": 1}
    again, differences, _ = await changes_of(wanted, dest)
    assert set(again.values()) == {Change.KEEP} and not differences.differs


async def test_another_description_is_a_replacement(site, dest):
    items = publish(site, NAMES)
    assert (await engine.run(items, dest)).exit_code == 0
    body = tif(30_000, 77)
    items[0]["assets"]["data"] = {"href": site.put("/a2.tif", body), "file:size": len(body)}
    found, differences, _ = await changes_of(items, dest)
    assert found["a", "data"] is Change.REPLACE and differences.bytes[Change.REPLACE] == len(body)
    assert (await engine.run(items, dest)).exit_code == 0
    assert Mirrored(dest).bytes_of("a") == body


@pytest.mark.parametrize("ledger", ["killed", "lost", "broken"])
async def test_without_a_finished_ledger_the_answer_is_the_same(site, dest, ledger):
    items = publish(site, NAMES)
    assert (await engine.run(items[:2], dest)).exit_code == 0
    path = dest / ".mlhub/ledger.sqlite"
    if ledger == "lost":
        path.unlink()
    elif ledger == "broken":
        path.write_bytes(b"no database" * 1000)
    else:
        (dest / ".mlhub/receipt.json").unlink()
    before = state(dest)
    found, _, _ = await changes_of(items, dest)
    assert [found[name, "data"].value for name in NAMES] == ["keep", "keep", "fetch", "fetch"]
    assert state(dest) == before


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("resume", Change.KEEP),
        ("skip", Change.KEEP),
        ("overwrite", Change.REPLACE),
        ("refresh", Change.KEEP),
        ("error", Change.REFUSE),
    ],
)
async def test_the_policy_for_existing_files_is_that_of_the_run(site, dest, mode, expected):
    items = publish(site, NAMES[:1])
    assert (await engine.run(items, dest)).exit_code == 0
    found, _, _ = await changes_of(items, dest, if_exists=mode)
    assert found == {("a", "data"): expected}


async def test_what_left_the_catalogue_is_named_but_not_with_a_selection_of_items(site, dest):
    items = publish(site, NAMES)
    api = Api(site, items)
    assert (await engine.run(api.url, dest, "c1")).exit_code == 0
    api.items = items[:3]
    options = engine.make_options(Selection(collections=("c1",)), allow_private=True)
    found = await diff(api.url, dest, options)
    assert sorted(found.left_paths) == ["c1/d/d.json", "c1/d/data.tif"] and found.differs
    chosen = engine.make_options(Selection(collections=("c1",), ids=("a",)), allow_private=True)
    found = await diff(api.url, dest, chosen)
    assert found.left_paths == [] and found.files == {Change.KEEP: 1}


async def test_a_folder_without_a_mirror_gets_everything(site, dest, tmp_path):
    items = publish(site, NAMES)
    found, differences, _ = await changes_of(items, dest)
    assert set(found.values()) == {Change.FETCH} and not differences.is_mirror and not dest.exists()
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="not a directory"):
        await diff(items, tmp_path / "file", Options())


def test_diff_prints_item_by_item(run_cli, troubled_thread, dest):
    site = troubled_thread.site()
    items = publish(site, NAMES)
    api = Api(site, items[:3])
    words = (api.url, dest, "-c", "c1")
    assert run_cli("mirror", *words).code == 0
    same = run_cli("diff", *words, "--exit-code")
    assert same.code == 0 and "3 there already" in same.out, same.out
    (dest / "c1/a/data.tif").unlink()
    (dest / "c1/b/data.tif").write_bytes(b"x")
    os.utime(dest / "c1/b/data.tif", (1, 1))
    api.items = [*items[:2], items[3]]
    done = run_cli("diff", *words)
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[:2] == ["+ c1/a", "    + c1/a/data.tif"]
    assert lines[2] == "~ c1/b" and lines[3].startswith("    ~ c1/b/data.tif: the file is not as")
    assert "- c1/c/data.tif" in lines and not any("= " in line for line in lines)
    assert f"{dest}: 2 to fetch (of unknown size), 1 to replace (of unknown size)" in lines
    assert run_cli("diff", *words, "--exit-code").code == 4
    *rows, summary = run_cli("diff", *words, "--json").events
    assert Counter(row["change"] for row in rows) == {"fetch": 2, "replace": 1, "remove": 2}
    assert summary["fetch"]["assets"] == 2 and summary["exit_code"] == 0 and summary["differs"]
    planned = run_cli("mirror", *words, "-n")
    assert f"{dest}: 2 to fetch (of unknown size), 1 to replace (of unknown size)" in planned.out
    assert run_cli("mirror", *words, "-n", "--json").events[-1]["compared"]["replace"]["assets"] == 1
    assert run_cli("diff", *words[:2], "-c", "nowhere").code == 3
    assert run_cli("diff", *words, "--ids", "none", "--ids", "neither").code == 9
