"""JSON that is none is named by document, line and column; half characters in it are written or named."""

import json

import pytest

from mlhub_async.core.json_text import parse_json
from support.engine import run
from support.mirrored import Mirrored
from support.server import tif
from support.stac_server import stac_collection, stac_item

BROKEN = {
    "NaN": (b'{"id": "i",\n "bbox": [NaN]}', "line 2 column 11"),
    "Infinity": (b'{"id": "i",\n "bbox": [1, Infinity]}', "line 2 column 14"),
    "double comma": (b'{"id": "i",, "x": 1}', "line 1 column 12"),
    "trailing comma": (b'{"id": "i",\n "links": [1, 2,\n ]}', "line 2 column 16"),
    "single quotes": (b"{'id': 'i'}", "line 1 column 2"),
    "comment": (b'{"id": "i", // name\n "x": 1}', "line 1 column 13"),
    "comment before it": (b'// name\n{"id": "i"}', "line 1 column 1"),
    "no UTF-8": (b'{"id": "i",\n "title": "caf\xe9"}', "line 2 column 15"),
    "UTF-16": ('{"id": "i"}'.encode("utf-16"), "line 1 column 1"),
    "a number that no float holds": (b'{"id": "i",\n "x": 1e400}', "line 2 column 7"),
    "NaN behind half a character": (b'{"id": "\\ud800",\n "x": NaN}', "line 2 column 7"),
}
HALF = "a\ud800b"


@pytest.mark.parametrize("name", BROKEN)
def test_broken_json_is_named_by_document_line_and_column(site, run_cli, dest, name):
    body, place = BROKEN[name]
    links = [{"rel": "item", "href": "i.json"}, {"rel": "item", "href": "whole.json"}]
    site.json("/catalog.json", {"type": "Catalog", "id": "r", "description": "r", "links": links})
    site.put("/i.json", body, content_type="application/json")
    site.json("/whole.json", stac_item("whole", data=site.put("/d.tif", tif(300))))
    ran = run_cli("mirror", site.url("/catalog.json"), dest, "-R", "1")
    assert ran.code in (4, 5) and len(Mirrored(dest).files) == 1
    (row,) = Mirrored(dest).errors
    assert site.url("/i.json") in row["error"]["message"] and place in row["error"]["message"]
    ran = run_cli("mirror", site.url("/i.json"), dest, "-R", "0")
    assert ran.code == 3 and place in ran.err, ran.err


@pytest.mark.parametrize("name", [name for name in BROKEN if "UTF" not in name and "before" not in name])
def test_a_broken_line_of_ndjson_is_named_by_line_and_column(tmp_path, run_cli, dest, name):
    body, place = BROKEN[name]
    lines = [json.dumps(stac_item("one")).encode(), body.replace(b"\n", b" ")]
    (tmp_path / "items.ndjson").write_bytes(b"\xef\xbb\xbf" + b"\n".join(lines))
    assert run_cli("mirror", tmp_path / "items.ndjson", dest).code == 4
    (row,) = Mirrored(dest).errors
    assert "line 2 of" in row["error"]["message"] and "line 2 column" in row["error"]["message"]
    if "line 1" in place:
        assert place.replace("line 1", "line 2") in row["error"]["message"]


@pytest.mark.parametrize("number", ["1e400", "-1e400", "NaN", "Infinity"])
@pytest.mark.parametrize("name", ["items.ndjson", "items.json"])
def test_one_item_with_a_number_that_json_does_not_have_is_refused(tmp_path, run_cli, dest, number, name):
    """It was written as null where the item stood alone in a file of lines."""
    item = json.dumps(stac_item("one", properties={"x": 7})).replace('"x": 7', f'"x": {number}')
    (tmp_path / name).write_text(item)
    ran = run_cli("mirror", tmp_path / name, dest)
    assert ran.code == 3 and "is not JSON (" in ran.err, ran.err


def test_a_byte_order_mark_is_no_fault(site, run_cli, dest):
    body = json.dumps(stac_item("one", data=site.put("/d.tif", tif(300)))).encode()
    site.put("/i.json", b"\xef\xbb\xbf" + body, content_type="application/json")
    assert run_cli("mirror", site.url("/i.json"), dest).code == 0
    Mirrored(dest).check(0)


@pytest.mark.parametrize("text", [r'"\ud800"', r'{"\udfff": "\\\ud800"}', r'"\ud83d\ude00"', r'"\\ud800"'])
def test_half_a_character_is_json(text):
    assert parse_json(text.encode()) == json.loads(text)


def asset(**changes):
    return {"assets": {"data": {"href": "/d.tif", **changes}}}


def linked(rel, href=f"/{HALF}", **more):
    return {"links": [{"rel": rel, "href": href, **more}]}


PLACES = {
    "id": {"id": HALF},
    "collection": {"collection": HALF},
    "href": asset(href=f"/{HALF}.tif"),
    "asset key": {"assets": {"data": {"href": "/d.tif"}, HALF: {"href": "/e.tif"}}},
    "media type": asset(type=HALF),
    "asset title": asset(title=HALF),
    "checksum": asset(**{"file:checksum": HALF}),
    "role": asset(roles=[HALF]),
    "property": {"properties": {"datetime": "2020-01-02T03:04:05Z", HALF: HALF, "updated": HALF}},
    "time": {"properties": {"datetime": HALF, "start_datetime": HALF}},
    "source link": linked("source"),
    "collection link": linked("collection"),
    "self link": linked("self", title=HALF),
    "relation": linked(HALF, "/x", type=HALF),
    "member": {HALF: [HALF]},
    "version": {"stac_version": HALF, "stac_extensions": [HALF]},
    "type": {"type": HALF},
}
TOLD = {"id", "collection", "href"}
"""Places in which half a character is a flaw; elsewhere it is written as it came."""

REPLACED = {"checksum", "asset key", "version", "type"}


@pytest.fixture
async def here(troubled):
    return await troubled.site()


@pytest.mark.parametrize("kind", ["static", "list", "page"])
@pytest.mark.parametrize("place", PLACES)
async def test_half_a_character_is_a_flaw_or_is_written_and_never_lost(here, dest, place, kind):
    here.put("/d.tif", tif(300, 1))
    here.put("/e.tif", tif(300, 2))
    other = stac_item("other", data=here.url("/e.tif"))
    items = [stac_item("i", data="/d.tif") | PLACES[place], other]
    if kind == "static":
        links = [{"rel": "item", "href": f"/{number}.json"} for number in range(2)]
        here.json("/c.json", {**stac_collection("c1"), "title": HALF, "links": links})
        for number, item in enumerate(items):
            here.json(f"/{number}.json", item)
    else:
        link = [{"rel": "next", "href": "/2.json", "title": HALF}] if kind == "page" else []
        here.json("/c.json", {"type": "FeatureCollection", "features": items, "links": link})
        here.json("/2.json", {"type": "FeatureCollection", "features": [stac_item("last")]})
    report = await run(here.url("/c.json"), dest)
    assert report.exit_code == (4 if place in TOLD else 0)
    rows = [row for row in Mirrored(dest).errors if not row.get("benign")]
    assert len(rows) == (place in TOLD) and "c1/other/data.tif" in Mirrored(dest).files
    for path in dest.rglob("*.json"):
        json.loads(path.read_bytes().decode("utf-8"))
    if place not in TOLD:
        assert len(Mirrored(dest).files) == 2 + (place == "asset key")
        written = json.dumps(json.loads((dest / "c1/i/i.json").read_bytes()))
        assert (
            r"\ud800" in written or "link" in place or place in ("checksum", "asset key", "version", "type")
        )
    again = await run(here.url("/c.json"), dest)
    assert again.exit_code == report.exit_code and again.fetched == 0
