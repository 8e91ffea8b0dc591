"""`--open-archives`: the archives among the files of a SOURCE are opened, each as if it were SOURCE."""

import gzip
import hashlib
import json
import zipfile

import pytest

from support.archives import catalogue, tarred, zipped
from support.hubs import Hub, publish_article, publish_data_set, publish_rdm_record, publish_record
from support.mirrored import Mirrored
from support.object_stores import S3Bucket
from support.server import IgnoreRange, tif

FILES = {
    "readme.txt": b"A data set.\n",
    **{
        f"train/{chip}/{band}.tif": tif(1_500, 10 * chip + n)
        for chip in (1, 2)
        for n, band in enumerate("xyz")
    },
}
PACKED = {f"kenya/{name}": body for name, body in FILES.items()}
ZIP, TAR = zipped(PACKED), gzip.compress(tarred(PACKED))
RECORDS = {
    "zenodo": publish_record,
    "invenio": publish_rdm_record,
    "figshare": publish_article,
    "dataverse": publish_data_set,
}


@pytest.fixture
def opened(run_cli, dest):
    """Mirror a SOURCE with the option."""

    def run(source, *words, to=dest, **env):
        return run_cli("mirror", source, to, "--open-archives", *words, env=env)

    return run


@pytest.mark.parametrize("kind", RECORDS)
@pytest.mark.parametrize(("name", "body"), [("kenya.zip", ZIP), ("kenya.tar.gz", TAR)])
def test_an_archive_in_a_record_gives_what_it_gives_as_source(
    site, run_cli, opened, dest, tmp_path, kind, name, body
):
    ran = opened(RECORDS[kind](site, {name: body}))
    assert ran.code == 0, ran.err
    mirrored = Mirrored(dest)
    mirrored.check(0)
    assert run_cli("mirror", site.put(f"/{name}", body), tmp_path / "alone").code == 0
    assert mirrored.receipt["manifest_sha256"] == Mirrored(tmp_path / "alone").receipt["manifest_sha256"]
    assert {path.name for path in dest.iterdir()} == {".mlhub", "catalog.json", "kenya"}
    before = len(site.log)
    again = opened(site.url({"zenodo": "/records/8475", "invenio": "/records/abcde-fgh12"}.get(kind, "/v2")))
    if kind in ("zenodo", "invenio"):
        assert again.code == 0 and f"0 fetched, {len(FILES)} already there" in again.err
        asked = [seen for seen in site.log[before:] if seen.path.endswith("/content")]
        assert len(asked) <= (0 if name.endswith(".gz") else 2)  # the digest tells that a tar is unchanged


def test_an_archive_of_a_hub_is_read_through_redirects_that_are_never_written_down(
    troubled_thread, opened, dest
):
    site, cdn = troubled_thread.site(), troubled_thread.site()
    hub = Hub(site, cdn, "org/set", {"data/kenya.zip": ZIP, "data/kenya2.tar.gz": TAR}, token="hf_SECRET")
    ran = opened("hf://datasets/org/set", HF_ENDPOINT=site.origin, HF_TOKEN="hf_SECRET")
    assert ran.code == 0, ran.err
    files = Mirrored(dest).files
    for name in ("kenya", "kenya2"):
        bodies = [body for path, body in files.items() if path.startswith(f"{name}/")]
        assert sorted(bodies) == sorted(FILES.values())
    assert hub.signed > 2 and not [seen for seen in cdn.log if "authorization" in seen.headers]
    written = b"".join(path.read_bytes() for path in dest.rglob("*") if path.is_file())
    assert b"SIGNED" not in written and b"hf_SECRET" not in written and b"/xet/" not in written
    assert Mirrored(dest).receipt["listing"]["revision"] == hub.commit


def test_several_archives_and_other_files_have_collections_of_their_own(site, run_cli, opened, dest):
    objects = {
        "data/a/chips.zip": ZIP,
        "data/b/chips.zip": zipped({"other.bin": b"o" * 50}),
        "data/c.zip": zipped({"c.bin": b"c" * 50}),
        "data/c.tar": tarred({"c.bin": b"d" * 50}),
        "data/data.zip": zipped({"e.bin": b"e" * 50}),
        "data/notes.txt": b"notes",
    }
    bucket = S3Bucket(site, "bucket", objects)
    words = ("--endpoint-url", bucket.url)
    ran = opened("s3://bucket/data", *words)
    assert ran.code == 0, ran.err
    mirrored = Mirrored(dest)
    mirrored.check(0)
    tops = {name.partition("/")[0] for name in mirrored.files}
    assert tops == {"data", "data.zip", "c.zip", "c.tar", "a__chips.zip", "b__chips.zip"}
    bodies = [*FILES.values(), b"o" * 50, b"c" * 50, b"d" * 50, b"e" * 50, b"notes"]
    assert sorted(mirrored.files.values()) == sorted(bodies)
    again = opened("s3://bucket/data", *words)
    assert again.code == 0 and f"0 fetched, {len(bodies)} already there" in again.err

    listed = run_cli("ls", "s3://bucket/data", "--open-archives", *words)
    assert {line.split("\t")[0] for line in listed.out.splitlines()} == tops
    listed = run_cli("ls", "s3://bucket/data", "--open-archives", "-c", "c.tar", *words)
    assert listed.code == 0 and "c.bin" in listed.out and "e.bin" not in listed.out
    planned = run_cli("plan", "s3://bucket/data", "--open-archives", "--json", *words)
    assert planned.events[-1]["assets"] == len(bodies)
    told = run_cli("diff", "s3://bucket/data", dest, "--open-archives", *words)
    assert told.code == 0 and f"{len(bodies)} there already" in told.out + told.err


def test_conditions_hold_for_all_archives_together(site, opened, dest, tmp_path):
    bodies = {f"{name}.zip": zipped({f"{n}/x.bin": b"x" * 50 for n in "pq"}) for name in "abc"}
    url = publish_record(site, bodies)
    for number, (words, code, count) in enumerate(
        [
            (("-c", "b"), 0, 2),
            (("-c", "a,c"), 0, 4),
            (("--ids", "p"), 0, 3),
            (("--max-items", "3"), 0, 3),
            (("-c", "none"), 3, 0),
            (("-c", "a,none"), 4, 2),
            (("--ids", "p", "--ids", "none"), 4, 3),
        ]
    ):
        to = tmp_path / str(number)
        ran = opened(url, *words, to=to)
        found = len(Mirrored(to).files) if to.exists() else 0
        assert (ran.code, found) == (code, count), (words, ran.err)


def test_stac_in_an_archive_is_used_as_such(site, opened, dest):
    url = publish_record(site, {"kenya.zip": zipped(catalogue(3)), "licence.txt": b"open"})
    ran = opened(url, "--datetime", "2000/..")
    assert ran.code == 0 and "left out" in ran.err, ran.err
    assert {name.partition("/")[0] for name in Mirrored(dest).files} == {"c1"}
    assert len(Mirrored(dest).files) == 6


@pytest.mark.parametrize("name", ["kenya.tar", "kenya.zip"])
def test_the_digest_of_the_record_is_the_proof_of_an_archive_that_is_read_whole(site, opened, dest, name):
    body = tarred(PACKED) if name == "kenya.tar" else zipped(PACKED, zipfile.ZIP_STORED)
    url = publish_record(site, {name: body})
    wrong = body.replace(b"A data set.", b"B data set.")
    content = f"/api/records/8475/files/{name}/content"
    for served, told in (
        (wrong, "are not those of its md5"),
        (body + b"\0" * 512, "the listing says"),
    ):
        site.put(content, served, always=[IgnoreRange()])
        ran = opened(url)
        assert ran.code == 4 and told in ran.err and Mirrored(dest).files == {}, ran.err
    site.put(content, body, always=[IgnoreRange()])
    assert opened(url).code == 0


def test_what_an_archive_of_several_lacks_is_told_and_the_others_come(site, opened, dest):
    bodies = {"a.zip": ZIP, "b.zip": tarred(PACKED), "c.zip": zipped({"c.bin": b"c" * 50})}
    ran = opened(publish_record(site, bodies))
    assert ran.code == 4 and "b.zip" in ran.err and "is a tar archive" in ran.err
    assert len(Mirrored(dest).files) == len(FILES) + 1
    assert not Mirrored(dest).receipt["listing"]["complete"]


def test_where_there_is_nothing_to_open_it_is_said(site, run_cli, opened, dest, tmp_path):
    assert opened(publish_record(site, {"a.bin": b"a" * 50})).code == 0
    assert set(Mirrored(dest).files) == {"8475/8475/a.bin"}
    (tmp_path / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": []}))
    ran = opened(tmp_path / "items.json")
    assert ran.code == 2 and "--open-archives is for a SOURCE of files" in ran.err
    bucket = S3Bucket(
        site, "bucket", {"x/collection.json": catalogue()["kenya/collection.json"], "x/a.zip": ZIP}
    )
    ran = opened("s3://bucket/x", "--endpoint-url", bucket.url)
    assert ran.code == 2 and "has a catalogue" in ran.err


def test_archives_in_a_folder_of_this_machine_are_opened_too(run_cli, opened, dest, tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "kenya.zip").write_bytes(ZIP)
    ran = opened(folder)
    assert ran.code == 0, ran.err
    digests = {hashlib.sha256(body).hexdigest() for body in Mirrored(dest).files.values()}
    assert digests == {hashlib.sha256(body).hexdigest() for body in FILES.values()}


def test_what_was_unpacked_of_an_archive_that_has_left_is_removed(site, opened, dest):
    opened(publish_record(site, {"a.tar": tarred(PACKED), "b.tar": tarred({"b.bin": b"b" * 50})}))
    assert len(list((dest / ".mlhub/unpacked").iterdir())) == 2
    ran = opened(publish_record(site, {"b.tar": tarred({"b.bin": b"b" * 50})}))
    assert ran.code == 0 and len(list((dest / ".mlhub/unpacked").iterdir())) == 1, ran.err
