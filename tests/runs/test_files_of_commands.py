"""Files that `lock`, `report` and `plan` write, and the files of mirrors that they must not replace."""

import json
import os
import shutil

import pytest

from support.mirrored import Mirrored
from support.server import tif
from support.stac_server import stac_item, static_documents


@pytest.fixture
def source(site):
    items = [stac_item(f"i{n}", image=site.put(f"/{n}.tif", tif(300, n))) for n in range(3)]
    for path, document in static_documents(items).items():
        site.json(f"/static/{path}", document)
    return site.url("/static/catalog.json")


@pytest.fixture
def mirror(run_cli, source, dest):
    assert run_cli("mirror", source, dest).code == 0
    return dest


def files(folder):
    """Every file as it is, but for the lock and the report."""
    names = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "report.html")
    return {path: path.read_bytes() for path in names}


COMMANDS = {
    "lock": lambda file, source, dest: ("lock", dest, "-o", file),
    "report": lambda file, source, dest: ("report", dest, "-o", file),
    "plan": lambda file, source, dest: ("plan", source, "--save", file),
    "dry run": lambda file, source, dest: ("mirror", source, f"{dest}-2", "-n", "--save", file),
}


@pytest.fixture(params=COMMANDS.values(), ids=COMMANDS)
def words(request, source, mirror):
    return lambda file: request.param(file, source, mirror)


@pytest.mark.parametrize(
    "name",
    [
        "catalog.json",
        "c1/collection.json",
        "c1/i0/i0.json",
        "c1/i0/image.tif",
        ".mlhub/ledger.sqlite",
        ".mlhub/receipt.json",
    ],
)
def test_no_file_of_a_mirror_is_replaced(run_cli, mirror, words, name):
    before = files(mirror)
    ran = run_cli(*words(mirror / name))
    assert ran.code == 2 and f"is a file of the mirror in {mirror}: give another name" in ran.err, ran.err
    assert files(mirror) == before


def test_nor_through_a_link_or_by_a_relative_path(run_cli, mirror, tmp_path):
    (tmp_path / "link").symlink_to(mirror / "c1" / "i0" / "image.tif")
    before = files(mirror)
    assert run_cli("lock", mirror, "-o", tmp_path / "link").code == 2
    relative = os.path.relpath(mirror / "catalog.json", run_cli.home)
    assert run_cli("report", mirror, "-o", relative).code == 2
    assert files(mirror) == before


def test_what_a_command_wrote_before_is_replaced(run_cli, mirror, words):
    (mirror / "mine").write_text("mine")
    for name in ("own.json", "own.json", "mine", ".mlhub/report.html"):
        ran = run_cli(*words(mirror / name))
        assert ran.code == 0 and (mirror / name).stat().st_size > 100, ran.err


def test_where_shards_are_not_merged_no_file_is_replaced(run_cli, source, dest):
    for number in (1, 2):
        assert run_cli("mirror", source, dest, "--shard", f"{number}/2").code == 0
    found = next(dest.glob("c1/*/image.tif"))
    before = files(dest)
    assert run_cli("plan", source, "--save", found).code == 2
    assert files(dest) == before


def test_a_plan_does_not_replace_its_source(run_cli, site, tmp_path):
    source = tmp_path / "items.json"
    items = [stac_item(f"i{n}", image=site.put(f"/{n}.tif", tif(300, n))) for n in range(2)]
    source.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    before = source.read_bytes()
    ran = run_cli("plan", source, "--ids", "i0", "--save", f"{tmp_path}/./items.json")
    assert ran.code == 2 and "is SOURCE itself" in ran.err, ran.err
    assert source.read_bytes() == before


def test_a_mirror_whose_files_have_gone_is_not_locked(run_cli, source, mirror, tmp_path):
    lock = tmp_path / "data.lock"
    lock.write_text("the one before")
    (mirror / "c1/i0/image.tif").unlink()
    (mirror / "c1/i1/image.tif").write_bytes(tif(300, 9))
    ran = run_cli("lock", mirror, "-o", lock)
    assert ran.code == 6 and lock.read_text() == "the one before"
    assert "c1/i0/image.tif: missing; c1/i1/image.tif: digest" in ran.err, ran.err
    assert "run the mirror again" in ran.err
    assert run_cli("lock", mirror).out == ""
    assert run_cli("mirror", source, mirror).code == 0
    assert run_cli("lock", mirror, "-o", lock).code == 0


def test_a_document_that_was_changed_is_not_locked(run_cli, mirror):
    path = mirror / "c1/i0/i0.json"
    path.write_text(path.read_text().replace("Point", "point"))
    ran = run_cli("lock", mirror)
    assert ran.code == 6 and "c1/i0/i0.json: digest" in ran.err, ran.err


def test_a_copy_of_a_mirror_with_other_times_is_locked(run_cli, mirror, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(mirror, copy)
    for path in copy.rglob("*.*"):
        os.utime(path, (1, 1))
    locked = run_cli("lock", copy)
    assert locked.code == 0 and locked.out == run_cli("lock", mirror).out
    assert len(Mirrored(copy).files) == 3
