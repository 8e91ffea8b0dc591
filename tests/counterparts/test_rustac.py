"""Mirrors of rustac, a STAC API server of another project: each selection arrives whole and unchanged.

Two collections of items with one asset each; the files are on nginx, or on Python's own file server.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from support.counterparts import FileServer, file_server, rustac
from support.mirrored import Mirrored
from support.server import tif
from support.stac_server import sizes_and_digests, stac_collection, stac_item

pytestmark = pytest.mark.xdist_group("rustac")
FIRST, SECOND = 320, 180
COLUMNS = 40


def longitude(number: int) -> float:
    return -180 + 9.0 * (number % COLUMNS)


def latitude(number: int) -> float:
    return -70 + 12.0 * (number // COLUMNS)


def body_of(number: int) -> bytes:
    return tif(200 + number % 50, number)


def collection_of(number: int) -> str:
    return "c1" if number < FIRST else "c2"


def item_of(number: int, href: str) -> dict[str, Any]:
    """Every second item gives the digest of its file. There is one item a day, from 2020 on."""
    west, south = longitude(number), latitude(number)
    known = sizes_and_digests(body_of(number)) if number % 2 else {}
    day = f"{2020 + number // 336}-{number % 336 // 28 + 1:02}-{number % 28 + 1:02}T12:00:00Z"
    data = {"href": href, **known}
    about = stac_item(f"i{number:04}", collection_of(number), properties={"datetime": day}, data=data)
    return about | {
        "geometry": {"type": "Point", "coordinates": [west, south]},
        "bbox": [west, south, west, south],
    }


@dataclass(frozen=True)
class Served:
    """The root URL of the API, and the server of the files of its items."""

    api: str
    files: FileServer


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("rustac")
    with file_server(folder / "files") as files:
        items = [item_of(n, files.put(f"/{n}.tif", body_of(n))) for n in range(FIRST + SECOND)]
        listed = {"type": "FeatureCollection", "features": items}
        documents = [stac_collection("c1"), stac_collection("c2"), listed]
        with rustac(folder / "api", documents) as api:
            yield Served(api, files)


def files_of(numbers: Iterable[int]) -> dict[str, bytes]:
    """The files of a mirror of these items, by path."""
    return {f"{collection_of(n)}/i{n:04}/data.tif": body_of(n) for n in numbers}


def north_east(number: int) -> bool:
    """Whether it lies in the box from 0.5, 0.5 to 100, 70."""
    return 0.5 <= longitude(number) <= 100 and 0.5 <= latitude(number) <= 70


def in_november(number: int) -> bool:
    return item_of(number, "")["properties"]["datetime"].startswith("2020-11")


C1 = range(FIRST)
BOTH = range(FIRST + SECOND)
SELECTIONS: dict[str, tuple[list[object], Iterable[int]]] = {
    "small pages": (["-c", "c1", "--limit", 100], C1),
    "a collection by POST": (["-c", "c2", "--limit", 40, "--method", "POST"], range(FIRST, FIRST + SECOND)),
    "a collection by GET": (["-c", "c1", "--limit", 100, "--method", "GET"], C1),
    "everything by POST": (["--limit", 250, "--method", "POST"], BOTH),
    "everything by GET": (["--limit", 250, "--method", "GET"], BOTH),
    "a box, page by page": (["--limit", 20, "--bbox", 0.5, 0.5, 100, 70], [n for n in BOTH if north_east(n)]),
    "a box west of it, with minus signs": (
        ["-c", "c1", "--bbox", -180, -80, -100, -0.5],
        [n for n in C1 if longitude(n) <= -100 and latitude(n) <= -0.5],
    ),
    "a box by GET": (
        ["-c", "c1", "--method", "GET", "--limit", 1000, "--bbox", "0.5,0.5,100,70"],
        [n for n in C1 if north_east(n)],
    ),
    "a month": (["-c", "c1", "--limit", 10, "--datetime", "2020-11"], [n for n in C1 if in_november(n)]),
    "some by name": (["-c", "c1", "--ids", "i0003", "--ids", "i0299"], [3, 299]),
}


@pytest.mark.parametrize("selection", SELECTIONS)
def test_a_selection_arrives_whole(served, run_cli, dest, selection):
    words, numbers = SELECTIONS[selection]
    expected = files_of(numbers)
    assert len(expected) > 1
    ended = run_cli("mirror", served.api, dest, *words)
    assert ended.code == 0, ended.err
    mirror = Mirrored(dest)
    mirror.check(0)
    assert mirror.files == expected
    assert mirror.receipt["listing"]["unique"] == mirror.receipt["assets"]["selected"] == len(expected)
    digests = sum(n % 2 for n in numbers)
    assert mirror.receipt["assets"]["verified_checksum"] == digests
    assert mirror.receipt["assets"]["verified_size"] == len(expected) - digests


def test_a_second_run_lists_again_and_fetches_nothing(served, run_cli, dest):
    before = served.files.request_count(".tif")
    for _ in range(2):
        ended = run_cli("mirror", served.api, dest, "-c", "c2", "--limit", 50)
        assert ended.code == 0, ended.err
        Mirrored(dest).check(0)
        assert Mirrored(dest).receipt["listing"]["pages"] == 4
    assert served.files.request_count(".tif") - before == SECOND


def test_max_items_limits_the_items_and_the_mirror_is_complete(served, run_cli, dest):
    ended = run_cli("mirror", served.api, dest, "-c", "c1", "--max-items", 130, "--limit", 50)
    assert ended.code == 0, ended.err
    mirror = Mirrored(dest)
    mirror.check(0)
    assert len(mirror.files) == 130
    assert mirror.files.items() <= files_of(C1).items()


def test_a_listing_that_fails_on_the_second_page_is_not_complete(served, run_cli, dest):
    """rustac 0.9.18 answers 500 to a search by GET with a list in it as soon as there is a second page."""
    words = ["-c", "c1", "--method", "GET", "--limit", 10, "--datetime", "2020-11", "-R", 0]
    ended = run_cli("mirror", served.api, dest, *words)
    assert ended.code == 5
    assert "HTTP 500" in ended.err and "run the same command again" in ended.err
    assert not Mirrored(dest).receipt["listing"]["complete"]


def test_a_collection_that_is_not_there_is_named(served, run_cli, dest):
    ended = run_cli("mirror", served.api, dest, "-c", "c3")
    assert ended.code == 3 and "'c3'" in ended.err
