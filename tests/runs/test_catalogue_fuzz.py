"""Other answers at the links of catalogues: a fixed part of `benchmarks/catalogue_fuzz.py`, and its judge."""

import json
from dataclasses import replace

import pytest

from support.catalogue_cases import World, all_cases
from support.catalogue_judge import Case, Ended, Judge
from support.catalogue_sites import GONE, build

FORMS_OF_ITEMS = ("assets-as-list", "bare-item", "links-as-object", "no-type", "old-stac")
NO_STAC = ("message", "detail-with-id", "features-null", "null")
NO_JSON = ("html", "truncated")
GRID = {
    "an error under 200 in place of an item removes nothing": [
        f"static/{rel}/200/{body}/always/prune"
        for rel in ("item", "child", "items", "next")
        for body in (*NO_STAC, *NO_JSON)
    ],
    "the same in an API, and below a static catalogue": [
        f"{at}/200/{body}/always/{run}"
        for at in ("api/data", "api/items", "api/next", "named/description", "mixed/child", "mixed/data")
        for body in ("message", "html")
        for run in ("fresh", "prune")
    ],
    "a refusal is lasting, an outage temporary": [
        f"{at}/{status}/{body}/always/prune"
        for at in ("static/item", "static/items", "named/next")
        for status, body in (
            ("404", "not-found-features"),
            ("410", "right"),
            ("503", "html"),
            ("202", "right"),
        )
    ],
    "what fails once is asked for again": [
        f"{at}/{answer}/once/fresh"
        for at in ("static/item", "api/next", "search/search", "list/next")
        for answer in ("503/right", "202/message", "200/cut-on-the-way")
    ],
    "documents are what they say they are": [
        f"static/{rel}/200/{body}/always/{run}"
        for rel in ("item", "child")
        for body in ("feature-collection", "paged-items", "catalog")
        for run in ("fresh", "prune")
    ],
    "items in other forms": [
        f"{at}/200/{body}/always/fresh" for at in ("static/item", "api/next") for body in FORMS_OF_ITEMS
    ],
    "links beside the JSON one": [
        f"{at}/200/twin:{twin}:first/always/fresh"
        for at in (
            *("static/item", "static/child", "static/items", "static/next"),
            *("api/data", "search/search", "labels/source", "labels/collection"),
        )
        for twin in ("html", "ndjson")
    ],
    "an empty page is no reason to remove anything": [
        f"{at}/{answer}/always/prune"
        for at in ("static/items", "api/items", "named/items", "api/next")
        for answer in ("200/no-features", "200/null-and-count-0", "204/empty")
    ],
    "a link to items that leads to none is no reason to remove them": [
        f"static/{rel}/200/{body}/always/prune"
        for rel in ("item", "items")
        for body in ("no-features", "no-collections", "empty-catalog", "empty-collection", "single-item")
    ],
    "an API that fails for now, below a catalogue, stops nothing else": [
        "mixed/items/504/html/always/fresh",
        "mixed/data/503/html/always/fresh",
    ],
    "sources that are none": [
        f"labels/source/{answer}/always/{run}"
        for answer in (
            "200/html",
            "200/bytes",
            "404/right",
            "200/message",
            "200/features-missing",
            "500/html",
        )
        for run in ("fresh", "prune")
    ],
    "links that a listing does without": [
        f"static/{rel}/200/{body}/always/prune"
        for rel in ("parent", "root", "self", "collection")
        for body in ("message",)
    ],
}


@pytest.fixture
def world(site, tmp_path):
    return World(site, tmp_path)


@pytest.mark.parametrize("name", GRID)
async def test_nothing_is_lost_and_nothing_hidden(name, world):
    found = [one for text in GRID[name] for one in await world.violations(Case.parse(text))]
    assert [f"{one.case} {one.kind}: {one.what}" for one in found] == []


def test_the_grid_is_a_part_of_the_fuzz():
    known = set(map(str, all_cases()))
    assert [text for cases in GRID.values() for text in cases if text not in known] == []


RIGHT = Case.parse("static/item/200/as-geojson/always/prune")
NO_ITEM = Case.parse("static/item/200/message/always/prune")
FIRST_RUN = replace(NO_ITEM, run="fresh")
EMPTY_PAGE = Case.parse("static/next/200/no-features/always/prune")
OUTAGE = Case.parse("static/item/503/html/always/again")
PLANTED = {
    "nothing": (RIGHT, 0, f"c1/{GONE}/data.tif", set()),
    "an item that was not pruned": (RIGHT, 0, "", {"kept"}),
    "an asset that was removed": (RIGHT, 0, "c1/a2/data.tif", {"less", "deleted", "kept"}),
    "a document that was removed": (RIGHT, 0, "c1/a2/a2.json", {"less", "deleted", "kept"}),
    "a failure where all could be had": (RIGHT, 4, "", {"refused"}),
    "a bug": (RIGHT, 1, "", {"bug"}),
    "a hang": (RIGHT, -1, "", {"hang"}),
    "an error document that nobody tells of": (NO_ITEM, 0, "", {"unnoticed"}),
    "a listing with a flaw that is called complete": (NO_ITEM, 4, "", {"unlisted"}),
    "a flaw without a reason": (NO_ITEM, 4, ".mlhub/receipt.json", {"unlisted"}),
    "a lasting flaw that is called temporary": (NO_ITEM, 5, "", {"code", "unlisted"}),
    "an outage that is called lasting": (OUTAGE, 4, "", {"code", "unlisted"}),
    "an asset that a flaw removed": (NO_ITEM, 4, "c1/a2/data.tif", {"deleted", "unlisted"}),
    "a crawl that a flaw stopped": (FIRST_RUN, 4, "c1/a1/data.tif", {"stopped", "unlisted"}),
    "an item after a page that is empty": (EMPTY_PAGE, 0, "c2/b3/data.tif", {"doubtful"}),
}  # fmt: skip
"""A case, an exit code, the file that is missing, and what the judge has to find."""


@pytest.mark.parametrize("name", PLANTED)
async def test_the_judge_finds(name, world, site):
    """In a complete mirror, whose receipt calls the listing complete, changed as a wrong program would."""
    case, code, missing, kinds = PLANTED[name]
    dest = await world.mirrored_before("static")
    if missing == ".mlhub/receipt.json":
        (dest / missing).write_text(json.dumps({"listing": {"complete": False, "reasons": []}}))
    elif missing:
        (dest / missing).unlink()
    judge = Judge(build("static", site.origin), case, dest, Ended(code))
    assert {one.kind for one in judge.violations()} == kinds


async def test_the_judge_finds_wrong_bytes(world, site):
    dest = await world.mirrored_before("static")
    (dest / "c1/a2/data.tif").write_bytes(b"II*")
    judge = Judge(build("static", site.origin), replace(RIGHT, run="again"), dest, Ended(0))
    assert {one.kind for one in judge.violations()} == {"less", "deleted"}
