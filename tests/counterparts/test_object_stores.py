"""Object stores that nobody here wrote as SOURCE: moto, Azurite and gcp-storage-emulator."""

import pytest

from mlhub_async.core.urls import quoted_key
from support.file_servers import NotInstalled, start
from support.mirrored import Mirrored

KEYS = (
    *("plain.bin", "a/b/c.bin", "with space+plus.bin", "\u00e9/\u00fc.bin", "%41.bin"),
    *("A.bin", "a.bin", "a-b/c.bin", "data/x.bin"),
)
QUESTION = "q?x#y;z.bin"
"""Not on the emulator, which takes an encoded question mark in a path for the beginning of the query."""
ODD_PATHS = ("a//b.bin", "x/../y.bin", "dir/")
"""Not on Azurite and the emulator, which resolve such paths or refuse them."""
SOURCES = {
    "moto (S3)": ("s3://bucket", (*KEYS, QUESTION, *ODD_PATHS)),
    "azurite": ("az://table/box", (*KEYS, QUESTION)),
    "gcp-storage-emulator": ("gs://bucket", KEYS),
}


@pytest.fixture(params=SOURCES)
def store(request, tmp_path_factory):
    """SOURCE, the words that say where it is, and what is there."""
    source, keys = SOURCES[request.param]
    try:
        with start(request.param, tmp_path_factory.mktemp("store"), {}) as served:
            bodies = {key: b"" if key.endswith("/") else f"{key}\n".encode() * 30 for key in keys}
            for key, body in bodies.items():
                served.put(quoted_key(key), body, 3600)
            yield source, ("--endpoint-url", f"http://127.0.0.1:{served.port}"), bodies
    except NotInstalled as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize("group_by", ["folder", "none"])
def test_every_object_is_mirrored_and_a_second_run_asks_for_none(store, run_cli, dest, group_by):
    source, where, bodies = store
    ran = run_cli("mirror", source, dest, *where, "--group-by", group_by)
    assert ran.code == 0, ran.err + "".join(map(str, Mirrored(dest).errors))
    mirrored = Mirrored(dest)
    mirrored.check(0)
    wanted = sorted(body for body in bodies.values() if body)
    assert sorted(mirrored.files.values()) == wanted
    again = run_cli("mirror", source, dest, *where, "--group-by", group_by)
    assert again.code == 0 and f"0 fetched, {len(wanted)} already there" in again.err


def test_what_is_not_there_is_told(store, run_cli, dest):
    source, where, _ = store
    gone = "cannot be listed" if source.startswith("az:") else "no such bucket"
    for name, told in ((f"{source}/nothing", "no file there"), (f"{source}gone/x", gone)):
        ran = run_cli("mirror", name, dest, *where)
        assert (ran.code, told in ran.err) == (3, True), ran.err


def test_the_digests_of_the_listing_are_compared(store, run_cli, dest):
    source, where, bodies = store
    if source.startswith("s3:"):
        pytest.skip("an ETag is no digest")
    ran = run_cli("mirror", source, dest, *where)
    assert Mirrored(dest).receipt["assets"]["verified_checksum"] == len(bodies), ran.err
