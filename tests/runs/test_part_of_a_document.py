"""Answers that are a part of a document, to requests for the whole: caches send the range that they have."""

import json

import pytest

from support.mirrored import Mirrored
from support.server import Status, tif
from support.stac_server import stac_item

ITEMS = 6


def lines_of(site):
    """Items, one per line, and where the fourth begins."""
    hrefs = [site.put(f"/{n}.tif", tif(300, n)) for n in range(ITEMS)]
    lines = [json.dumps(stac_item(f"i{n}", data=href)).encode() + b"\n" for n, href in enumerate(hrefs)]
    return b"".join(lines), sum(map(len, lines[:3]))


@pytest.mark.parametrize("status", [200, 206])
@pytest.mark.parametrize("form", ["bytes 0-{last}/{total}", "bytes 0-{last}/*", "unreadable"])
def test_lines_of_a_part_are_not_the_items(site, run_cli, dest, status, form):
    body, cut = lines_of(site)
    said = ("Content-Range", form.format(last=cut - 1, total=len(body)))
    part = Status(status, body=body[:cut], headers=(said,))
    source = site.put("/items.ndjson", body, always=[part])
    ran = run_cli("mirror", source, dest, "-R", 1)
    assert ran.code == 5 and "only a part of it was sent" in ran.err, ran.err
    site.put("/items.ndjson", body, faults=[part], always=[])
    ran = run_cli("mirror", source, dest, "-R", 2)
    assert ran.code == 0 and len(Mirrored(dest).files) == ITEMS, ran.err


def test_a_206_that_says_it_is_the_whole_is_read(site, run_cli, dest):
    body, _ = lines_of(site)
    said = ("Content-Range", f"bytes 0-{len(body) - 1}/{len(body)}")
    source = site.put("/items.ndjson", body, always=[Status(206, body=body, headers=(said,))])
    ran = run_cli("mirror", source, dest)
    assert ran.code == 0 and len(Mirrored(dest).files) == ITEMS, ran.err


@pytest.mark.parametrize(("declared", "code"), [({}, 5), ({"file:size": 1000}, 0)])
def test_an_asset_without_a_total_is_whole_if_the_catalogue_says_so(site, run_cli, dest, declared, code):
    part = Status(206, body=b"a,b\n" * 250, headers=(("Content-Range", "bytes 0-999/*"),))
    href = site.put("/x.csv", b"a,b\n" * 5000, always=[part])
    source = site.json("/item.json", stac_item("one", data={"href": href, **declared}))
    ran = run_cli("mirror", source, dest, "-R", 0)
    assert ran.code == code and len(Mirrored(dest).files) == (code == 0), ran.err
