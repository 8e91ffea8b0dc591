"""A folder on this machine without STAC as SOURCE, and one data set from every kind of place."""

import gzip
import json
import os
import socket
import subprocess
import sys

import pytest

from support.archives import tarred, zipped
from support.hubs import Hub, publish_record
from support.mirrored import Mirrored
from support.object_stores import S3Bucket
from support.server import tif
from support.stac_server import stac_item

FILES = {
    "readme.txt": b"A data set.\n",
    **{
        f"train/{chip}/{band}.tif": tif(1_500, 10 * chip + n)
        for chip in (1, 2)
        for n, band in enumerate("xyz")
    },
    "train/labels.csv": b"chip,class\n1,2\n",
    "a b%41#?.bin": b"odd",
    "\u00e9/\u00fc+.bin": b"not ASCII",
}


def write(folder, files=FILES):
    for name, body in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(body)
    return folder


@pytest.fixture
def kenya(tmp_path):
    return write(tmp_path / "kenya")


def test_its_files_are_copied_with_proof_and_a_second_run_reads_none(kenya, run_cli, dest):
    ran = run_cli("mirror", kenya, dest)
    assert ran.code == 0, ran.err
    mirrored = Mirrored(dest)
    mirrored.check(0)
    assert sorted(mirrored.files.values()) == sorted(FILES.values())
    assert mirrored.receipt["assets"]["verified_size"] == len(FILES)
    for name in FILES:
        os.utime(kenya / name, ns=(1, (kenya / name).stat().st_mtime_ns))  # the time of the last reading
    again = run_cli("mirror", kenya.as_uri(), dest)
    assert again.code == 0 and f"0 fetched, {len(FILES)} already there" in again.err
    assert {(kenya / name).stat().st_atime_ns for name in FILES} == {1}
    assert run_cli("verify", dest).code == 0


def test_a_file_that_has_changed_is_copied_again_and_one_that_has_gone_is_pruned(kenya, run_cli, dest):
    assert run_cli("mirror", kenya, dest).code == 0
    (kenya / "train/labels.csv").write_bytes(b"chip,class\n1,3\n2,2\n")
    (kenya / "readme.txt").unlink()
    told = run_cli("diff", kenya, dest)
    assert told.code == 0 and "train/labels.csv" in told.out
    ran = run_cli("mirror", kenya, dest, "--prune")
    assert ran.code == 0 and "1 fetched" in ran.err, ran.err
    wanted = {**FILES, "train/labels.csv": b"chip,class\n1,3\n2,2\n"}
    del wanted["readme.txt"]
    assert sorted(Mirrored(dest).files.values()) == sorted(wanted.values())


@pytest.mark.parametrize("group_by", ["folder", "stem", "none"])
def test_ls_and_plan_tell_what_is_there(kenya, run_cli, group_by):
    planned = run_cli("plan", kenya, "--json", "--group-by", group_by)
    assert planned.code == 0 and planned.events[-1]["assets"] == len(FILES)
    listed = run_cli("ls", kenya, "--group-by", group_by)
    assert listed.code == 0 and "labels.csv" in listed.out


@pytest.mark.skipif(sys.platform == "win32", reason="links, pipes and such names are of Unix")
def test_what_is_no_file_is_a_row_each_and_is_not_followed(kenya, run_cli, dest, tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/secret.txt").write_text("secret")
    (kenya / "link.txt").symlink_to(tmp_path / "secret.txt")
    (kenya / "inside.txt").symlink_to("readme.txt")
    (kenya / "folder").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(kenya / "pipe")
    with socket.socket(socket.AF_UNIX) as bound:
        here = os.getcwd()
        os.chdir(kenya)  # its path may be too long for an address
        bound.bind("socket")
        os.chdir(here)
    (kenya / os.fsdecode(b"bad\xff.bin")).write_bytes(b"x")
    (kenya / ".DS_Store").write_bytes(b"x")
    ran = run_cli("mirror", kenya, dest)
    rows = {row["key"]: row["error"]["message"] for row in Mirrored(dest).errors}
    assert ran.code == 4 and set(rows) == {
        "link.txt",
        "inside.txt",
        "folder",
        "pipe",
        "socket",
        "bad\\xff.bin",
    }
    assert (
        "a symbolic link" in rows["folder"] and "a pipe" in rows["pipe"] and "UTF-8" in rows["bad\\xff.bin"]
    )
    assert sorted(Mirrored(dest).files.values()) == sorted(FILES.values())


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_that_cannot_be_read_leaves_the_listing_incomplete(kenya, run_cli, dest):
    (kenya / "train").chmod(0)
    ran = run_cli("mirror", kenya, dest)
    (kenya / "train").chmod(0o700)
    assert ran.code == 4 and "train cannot be read" in ran.err
    assert "readme.txt" in "".join(Mirrored(dest).files)


@pytest.mark.skipif(os.open not in os.supports_dir_fd, reason="no such paths can be made")
def test_folders_in_each_other_deeper_than_calls_of_python_are_listed(run_cli, tmp_path):
    folder = tmp_path / "deep"
    folder.mkdir()
    opened = os.open(folder, os.O_RDONLY)
    for _ in range(1_100):
        os.mkdir("d", dir_fd=opened)
        inner = os.open("d", os.O_RDONLY, dir_fd=opened)
        os.close(opened)
        opened = inner
    os.close(os.open("x.bin", os.O_CREAT, dir_fd=opened))
    os.close(opened)
    try:
        planned = run_cli("plan", folder, "--json")
    finally:
        subprocess.run(["rm", "-rf", folder], check=True)  # `shutil.rmtree` calls itself
    assert planned.code == 0 and planned.events[-1]["assets"] == 1, planned.err


@pytest.mark.parametrize(
    ("where", "told"),
    [("kenya/out", "lie in each other"), ("kenya", "lie in each other"), (".", "lie in each other")],
)
def test_source_and_dest_in_each_other_are_refused_and_nothing_is_written(kenya, run_cli, where, told):
    before = sorted(kenya.parent.rglob("*"))
    ran = run_cli("mirror", kenya, kenya.parent / where)
    assert (ran.code, told in ran.err) == (2, True), ran.err
    assert sorted(kenya.parent.rglob("*")) == before


def test_a_folder_without_files_is_told_in_one_line(run_cli, dest, tmp_path):
    (tmp_path / "empty/inner").mkdir(parents=True)
    ran = run_cli("mirror", tmp_path / "empty", dest)
    assert ran.code == 3 and "empty holds no files" in ran.err and len(ran.err.splitlines()) == 1
    ran = run_cli("mirror", write(tmp_path / "kenya"), dest, "--bbox", "1,2,3,4")
    assert ran.code == 2 and "--bbox cannot choose" in ran.err


def test_one_data_set_gives_one_manifest_from_every_kind_of_place(kenya, troubled_thread, run_cli, tmp_path):
    site, cdn = troubled_thread.site(), troubled_thread.site()
    S3Bucket(site, "bucket", {f"sets/kenya/{name}": body for name, body in FILES.items()})
    Hub(site, cdn, "org/kenya", FILES)
    packed = {f"kenya/{name}": body for name, body in FILES.items()}
    sources = {
        "folder": kenya,
        "file": kenya.as_uri(),
        "bucket": "s3://bucket/sets/kenya",
        "hub": "hf://datasets/org/kenya",
        "zip": site.put("/kenya.zip", zipped(packed)),
        "tar.gz": site.put("/kenya.tar.gz", gzip.compress(tarred(packed))),
        "record": publish_record(site, {"kenya.zip": zipped(packed)}),
    }
    manifests = {}
    for name, source in sources.items():
        words = {"bucket": ("--endpoint-url", site.origin), "record": ("--open-archives",)}.get(name, ())
        ran = run_cli("mirror", source, tmp_path / "to" / name, *words, env={"HF_ENDPOINT": site.origin})
        assert ran.code == 0, (name, ran.err)
        manifests[name] = Mirrored(tmp_path / "to" / name).receipt["manifest_sha256"]
    assert len(set(manifests.values())) == 1, manifests


def test_a_file_here_that_is_no_image_is_a_failure_for_good(tmp_path, run_cli, dest):
    """Another run would read the same bytes; no server sent them."""
    folder = tmp_path / "scenes"
    folder.mkdir()
    (folder / "a.tif").write_text("to be replaced by the image")
    (folder / "b.tif").write_bytes(tif(300, 1))
    ran = run_cli("mirror", folder, dest)
    assert ran.code == 4 and "it is plain text, not what its name says" in ran.err, ran.err
    (row,) = Mirrored(dest).errors
    assert (row["key"], row["error"]["class"], row["error"]["retryable"]) == ("a.tif", "wrong-content", False)


@pytest.mark.parametrize("name", ["a.tar.bz2", "a.tar.xz", "a.7z", "items.ndjson.gz"])
def test_an_archive_of_a_kind_that_is_not_read_is_told(tmp_path, site, run_cli, dest, name):
    (tmp_path / name).write_bytes(b"BZh9" + tif(300, 1))
    site.put(f"/{name}", b"BZh9" + tif(300, 1))
    for source in (tmp_path / name, site.url(f"/{name}")):
        ran = run_cli("mirror", source, dest)
        assert (ran.code, "unpack it, and give the path of the folder" in ran.err) == (3, True), ran.err


def test_a_refresh_of_a_catalogue_here_copies_what_has_changed_only(tmp_path, run_cli, dest):
    catalogue = tmp_path / "catalogue"
    catalogue.mkdir()
    items = [stac_item(name, data=f"./{name}.tif") for name in ("one", "two")]
    (catalogue / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    for seed, name in enumerate(("one", "two")):
        (catalogue / f"{name}.tif").write_bytes(tif(300, seed))
    assert run_cli("mirror", catalogue / "items.json", dest).code == 0
    (catalogue / "two.tif").write_bytes(tif(300, 9))
    ran = run_cli("mirror", catalogue / "items.json", dest, "--if-exists", "refresh")
    assert ran.code == 0 and "1 fetched, 1 already there" in ran.err, ran.err
    assert Mirrored(dest).bytes_of("two") == tif(300, 9)
