"""Names of members that are written otherwise than as plain paths, and are none that lead out."""

import pytest

from support.archives import tarred, zipped
from support.mirrored import Mirrored

PACKED = {"a.tar": tarred, "a.zip": zipped}
NAMES = {"s/a.bin": b"1", "./s//b.bin": b"22", "s/./part//c.bin": b"333", "./././d.bin": b"4444"}
FOUND = ["d.bin", "s/a.bin", "s/b.bin", "s/part/c.bin"]


@pytest.mark.parametrize("name", PACKED)
def test_empty_parts_of_names_lead_nowhere(site, run_cli, dest, name):
    source = site.put(f"/{name}", PACKED[name](NAMES), etag='"1"')
    ran = run_cli("mirror", source, dest, "-p", "${filename}")
    assert ran.code == 0, ran.err
    assert sorted(Mirrored(dest).files.values()) == sorted(NAMES.values())
    listed = run_cli("plan", source, "--save", dest / "plan.json")
    assert listed.code == 0
    hrefs = (dest / "plan.json").read_text()
    assert all(f"{source}/{path}" in hrefs for path in FOUND)
    assert "0 fetched, 4 already there" in run_cli("mirror", source, dest, "-p", "${filename}").err


@pytest.mark.parametrize("name", PACKED)
def test_names_that_lead_out_are_refused_with_empty_parts_too(site, run_cli, dest, name):
    files = {"a.bin": b"1", "s/.//../../evil.bin": b"2", "//evil.bin": b"3", "s/../../evil.bin": b"4"}
    ran = run_cli("mirror", site.put(f"/{name}", PACKED[name](files), etag='"1"'), dest)
    assert ran.code == 4 and list(Mirrored(dest).files.values()) == [b"1"]
