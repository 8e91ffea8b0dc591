"""`--reference` by the command: relative directories, what is told, runs that are killed."""

import hashlib
import threading

import pytest

from support.mirrored import Mirrored
from support.server import tif
from support.stac_server import stac_item

COUNT = 300


@pytest.fixture
def source(site):
    """A catalogue in one document, with the digests of its files."""
    items = []
    for number in range(COUNT):
        body = tif(3000 + number, number)
        one = stac_item(f"i{number}", a=site.put(f"/{number}/a.tif", body))
        one["assets"]["a"]["file:checksum"] = f"1220{hashlib.sha256(body).hexdigest()}"
        items.append(one)
    return site.json("/all.json", {"type": "FeatureCollection", "features": items})


def asked(site):
    return sum(seen.path.endswith(".tif") for seen in site.log)


def test_relative_directories_and_the_summary(site, source, run_cli):
    assert run_cli("mirror", source, "first").code == 0
    site.log.clear()
    ended = run_cli("mirror", source, "second", "--reference", "first")
    assert ended.code == 0 and asked(site) == 0
    assert f"from the reference first: {COUNT} files, 922.7 KiB" in ended.err
    again = run_cli("mirror", source, "second", "--reference", "first")
    assert again.code == 0 and f"{COUNT} already there" in again.err and asked(site) == 0
    missing = run_cli("mirror", source, "third", "--reference", "nothing")
    assert missing.code == 0 and asked(site) == COUNT
    told = [line for line in missing.err.splitlines() if "warning" in line]
    assert len(told) == 1 and "reference nothing failed (no mirror at nothing" in told[0]


def test_a_run_that_is_killed_goes_on(site, troubled_thread, source, run_cli, tmp_path):
    other, copy = troubled_thread.site(), tmp_path / "copy"
    bodies = [site.things[f"/{number}/a.tif"].body for number in range(COUNT)]
    other.json("/.mlhub/lookup", {"mlhub-async-lookup": 1})
    for body in bodies:
        other.put(f"/.mlhub/sha-256/{hashlib.sha256(body).hexdigest()}", body)
    enough = threading.Event()
    for number in range(1, 5):
        other.answered = lambda *_, most=60 * number: enough.set() if len(other.log) > most else None
        running = run_cli.start("mirror", source, copy, "--reference", other.origin)
        assert enough.wait(60)
        running.kill()
        enough.clear()
    ended = run_cli("mirror", source, copy, "--reference", other.origin)
    assert ended.code == 0 and asked(site) == 0
    assert sorted(Mirrored(copy).files.values()) == sorted(bodies)
    assert Mirrored(copy).partial == [] and run_cli("verify", copy).code == 0
