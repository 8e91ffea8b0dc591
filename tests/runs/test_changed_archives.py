"""An archive that has other bytes in members whose catalogue says what it said before."""

import pytest

from support.archives import catalogue, tarred, zipped
from support.mirrored import Mirrored

PACKED = {"a.tar": tarred, "a.zip": zipped}
FILES = catalogue(3, 900)
FIRST = next(name for name in FILES if name.endswith(".tif"))


@pytest.mark.parametrize("name", PACKED)
def test_a_member_that_has_changed_comes_again_and_no_other(site, run_cli, dest, name):
    source = site.put(f"/{name}", PACKED[name](FILES), etag='"1"')
    assert run_cli("mirror", source, dest).code == 0
    changed = {**FILES, FIRST: FILES[FIRST][:-1] + b"!"}
    site.put(f"/{name}", PACKED[name](changed), etag='"2"')
    told = run_cli("diff", source, dest, "--json").events[-1]
    ran = run_cli("mirror", source, dest)
    assert ran.code == 0 and "1 fetched, 5 already there" in ran.err, ran.err
    assert sorted(Mirrored(dest).files.values()) == sorted(
        body for path, body in changed.items() if path.endswith(".tif")
    )
    assert told["fetch"]["assets"] + told["replace"]["assets"] == 1, told
    assert "0 fetched, 6 already there" in run_cli("mirror", source, dest).err
    assert run_cli("verify", dest).code == 0


@pytest.mark.parametrize("name", PACKED)
def test_an_archive_that_was_packed_anew_brings_no_member_again(site, run_cli, dest, name):
    source = site.put(f"/{name}", PACKED[name](FILES), etag='"1"')
    assert run_cli("mirror", source, dest).code == 0
    files = dict(reversed(FILES.items()))
    site.put(f"/{name}", PACKED[name](files), etag='"2"')
    assert "0 fetched, 6 already there" in run_cli("mirror", source, dest).err
