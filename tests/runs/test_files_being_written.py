"""Files that a server sends while they are written there: with the length that they have so far."""

import pytest

from mlhub_async.http.validators import is_fresh
from support.mirrored import Mirrored
from support.server import tif
from support.stac_server import stac_item
from support.wire_format import date

SIZES = {"small": 5_000, "large": 3_000_000}


def put(site, body, age):
    now, etag = 1_700_000_000.0, f'"{len(body)}"'
    return site.put("/a.tif", body, headers=[("Date", date(now))], last_modified=now - age, etag=etag)


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_the_beginning_of_a_file_is_not_taken_for_it(site, run_cli, dest, size):
    body = tif(size)
    source = site.json("/item.json", stac_item("one", data=put(site, body[: size // 2], 1)))
    ran = run_cli("mirror", source, dest, "-R", 1)
    assert ran.code == 5 and "may still be written" in ran.err and Mirrored(dest).files == {}, ran.err
    put(site, body, 1)
    ran = run_cli("mirror", source, dest)
    assert ran.code == 0 and Mirrored(dest).bytes_of("one") == body, ran.err


def test_each_of_many_small_files_is_looked_at(site, run_cli, dest):
    """Also where only the first ones of a host take the general path."""
    now, body = 1_700_000_000.0, tif(5_000)
    headers = [("Date", date(now))]
    files = {f"i{n}": body if n % 40 else body[:2_500] for n in range(200)}
    items = [
        stac_item(name, data=site.put(f"/{name}.tif", data, headers=headers, last_modified=now - 1))
        for name, data in files.items()
    ]
    source = site.json("/items.json", {"type": "FeatureCollection", "features": items})
    ran = run_cli("mirror", source, dest, "-R", 1, "-j", 4)
    assert ran.code == 5 and "may still be written" in ran.err, ran.err
    assert len(Mirrored(dest).files) == 195 and set(Mirrored(dest).files.values()) == {body}


@pytest.mark.parametrize("declared", [False, True])
def test_a_size_that_is_declared_or_an_older_time_decides(site, run_cli, dest, declared):
    part = tif(5_000)[:2_500]
    about = {"file:size": len(part)} if declared else {}
    href = put(site, part, 1 if declared else 3600)
    ran = run_cli("mirror", site.json("/item.json", stac_item("one", data={"href": href, **about})), dest)
    assert ran.code == 0 and Mirrored(dest).bytes_of("one") == part, ran.err


@pytest.mark.parametrize(
    ("modified", "answered", "fresh"),
    [
        ("Tue, 14 Nov 2023 22:13:00 GMT", "Tue, 14 Nov 2023 22:13:20 GMT", True),
        ("Tue, 14 Nov 2023 22:12:00 GMT", "Tue, 14 Nov 2023 22:13:20 GMT", False),
        ("Tue, 14 Nov 2023 23:59:50 GMT", "Wed, 15 Nov 2023 00:00:20 GMT", True),
        ("Mon, 13 Nov 2023 23:59:50 GMT", "Wed, 15 Nov 2023 00:00:20 GMT", False),
        ("", "", False),
        ("yesterday", "Wed, 15 Nov 2023 00:00:20 GMT", False),
    ],
)
def test_what_counts_as_just_modified(modified, answered, fresh):
    assert is_fresh({"last-modified": modified, "date": answered}) is fresh
