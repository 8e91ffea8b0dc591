"""`--full-every` with a data set of a hub: the commit of the last complete listing is not listed again."""

import json

import pytest

from support.hubs import COMMIT, Hub, publish_record
from support.mirrored import Mirrored
from support.server import tif
from support.stac_server import stac_collection, stac_item

FILES = {"README.md": b"# A set\n", "train/a.tif": tif(3000, 1), "train/b.tif": tif(300, 2)}
SOURCE = "hf://datasets/org/name"
OTHER = COMMIT[::-1]


@pytest.fixture
def cdn(troubled_thread):
    return troubled_thread.site("localhost")


@pytest.fixture
def mirror(run_cli, site):
    """Run with --full-every 3; gives the paths that were asked for, and the member "listing"."""

    def run(*words, source=SOURCE, code=0):
        before = len(site.log)
        ran = run_cli(
            *("mirror", source, "dest", "--full-every", 3, "--allow-private", *words),
            env={"HF_ENDPOINT": site.origin},
        )
        assert ran.code == code, ran.err
        receipt = Mirrored(run_cli.home / "dest").receipt
        assert receipt["exit_code"] == code
        return [seen.path for seen in site.log[before:]], receipt["listing"]

    return run


def test_the_same_commit_is_one_request_until_the_next_full_listing(site, cdn, mirror, run_cli):
    Hub(site, cdn, "org/name", FILES)
    asked, listing = mirror()
    assert listing["kind"] == "full" and any("/tree/" in path for path in asked)
    manifest = Mirrored(run_cli.home / "dest").receipt["manifest_sha256"]
    for _ in range(2):
        asked, listing = mirror()
        assert asked == ["/api/datasets/org/name/revision/main"]
        assert listing["kind"] == "same-version" and listing["carried"] == 2 and listing["pages"] == 0
        assert listing["revision"] == COMMIT and "commit" in listing["relies_on"]
        receipt = Mirrored(run_cli.home / "dest").receipt
        assert receipt["manifest_sha256"] == manifest and receipt["assets"]["verified_checksum"] == 3
    asked, listing = mirror()
    assert listing["kind"] == "full" and "every 3 runs" in listing["because"]
    assert any("/tree/" in path for path in asked)
    assert run_cli("verify", "dest").code == 0


def test_another_commit_is_listed_in_full_and_what_left_it_is_pruned_later(site, cdn, mirror, run_cli):
    Hub(site, cdn, "org/name", FILES)
    mirror()
    mirror()
    fewer = {name: body for name, body in FILES.items() if name != "train/b.tif"}
    Hub(site, cdn, "org/name", {**fewer, "c.tif": tif(300, 9)}, commit=OTHER)
    listing = mirror()[1]
    assert listing["kind"] == "full" and "another version" in listing["because"]
    assert Mirrored(run_cli.home / "dest").files["name/name/c.tif"] == tif(300, 9)
    assert mirror()[1]["kind"] == "same-version"
    mirror("--prune", "--max-delete", 5)
    Mirrored(run_cli.home / "dest").check(0)
    assert "name/train/b.tif" not in Mirrored(run_cli.home / "dest").files


@pytest.mark.parametrize("spoil", ["change", "remove"])
def test_a_file_that_is_not_as_recorded_is_fetched_again(site, cdn, mirror, run_cli, spoil):
    Hub(site, cdn, "org/name", FILES)
    mirror()
    path = run_cli.home / "dest/name/train/b.tif"
    path.unlink() if spoil == "remove" else path.write_bytes(b"spoilt")
    asked, listing = mirror()
    assert listing["kind"] == "full" and "files in DEST" in listing["because"]
    assert path.read_bytes() == FILES["train/b.tif"] and len(asked) < 6


@pytest.mark.parametrize(
    ("words", "source"),
    [(("-x", "README*"), SOURCE), (("--group-by", "none"), SOURCE), ((), f"{SOURCE}/train")],
    ids=["assets", "grouping", "folder"],
)
def test_another_selection_of_the_same_commit_is_listed(site, cdn, mirror, words, source):
    Hub(site, cdn, "org/name", FILES)
    mirror()
    assert mirror(*words, source=source)[1]["kind"] == "full"


def test_a_catalogue_among_the_files_is_read_every_time(site, cdn, mirror):
    """Its links may lead to documents that are of no commit."""
    item = stac_item("a", data={"href": "../train/a.tif"})
    links = [{"rel": "item", "href": "a.json"}]
    files = {**FILES, "collection.json": _json(stac_collection("c1", links=links)), "a.json": _json(item)}
    Hub(site, cdn, "org/name", files)
    for _ in range(2):
        asked, listing = mirror(code=4)
        assert any(path.endswith("/a.json") for path in asked) and listing["kind"] == "full"


def test_a_record_is_read_every_time(site, mirror):
    """A number of a version does not determine its content; and the record is one request."""
    record = publish_record(site, {"a.tif": tif(300, 1)})
    mirror(source=record)
    asked, listing = mirror(source=record)
    assert listing["kind"] == "full" and asked[-1] == "/api/records/8475"


def _json(value):
    return json.dumps(value).encode()
