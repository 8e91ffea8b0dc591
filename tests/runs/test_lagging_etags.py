"""Servers that keep the ETag of a file that was replaced: the date beside it tells.

Static files of Tornado are served so.
"""

import time

import pytest

from support.archives import catalogue, tarred
from support.mirrored import Mirrored
from support.server import noise
from support.stac_server import stac_item
from support.wire_format import date

OLD, NEW = noise(5_000, 1), noise(5_000, 2)


def put(site, path, body, modified):
    """With one ETag whatever the body. The clock of the server is two hours ahead at the second version."""
    headers = [("Date", date(time.time() + max(modified, 0) * 2))]
    return site.put(path, body, etag='"kept"', last_modified=time.time() + modified, headers=headers)


@pytest.mark.parametrize(("modified", "bytes_of_the_copy"), [(3600, NEW), (-7200, OLD)])
def test_a_304_of_a_version_that_was_modified_since_is_not_believed(
    site, run_cli, dest, modified, bytes_of_the_copy
):
    put(site, "/a.bin", OLD, -7200)
    source = site.json("/item.json", stac_item("one", data="a.bin"))
    assert run_cli("mirror", source, dest).code == 0
    put(site, "/a.bin", NEW if modified > 0 else OLD, modified)
    ran = run_cli("mirror", source, dest, "--if-exists", "refresh")
    assert ran.code == 0 and Mirrored(dest).bytes_of("one") == bytes_of_the_copy, ran.err
    asked = [seen.headers.get("if-none-match") for seen in site.requests["/a.bin"]]
    assert asked == [None, '"kept"', None][: 3 if modified > 0 else 2]
    assert run_cli("verify", dest).code == 0


def test_a_tar_that_was_modified_under_one_etag_is_read_again(site, run_cli, dest):
    files = catalogue(3, 900)
    source = put(site, "/a.tar", tarred(files), -7200)
    assert run_cli("mirror", source, dest).code == 0
    assert run_cli("mirror", source, dest).code == 0
    assert site.requests["/a.tar"][-1].headers["if-none-match"] == '"kept"' and site.count("/a.tar") == 2
    changed = {name: body[:-1] + b"!" if name.endswith(".tif") else body for name, body in files.items()}
    put(site, "/a.tar", tarred(changed), 3600)
    ran = run_cli("mirror", source, dest)
    expected = sorted(body for name, body in changed.items() if name.endswith(".tif"))
    assert ran.code == 0 and sorted(Mirrored(dest).files.values()) == expected, ran.err
    run_cli("mirror", source, dest)
    assert site.count("/a.tar") == 5, "the version that was read again is known then"
