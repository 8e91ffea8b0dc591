"""Source links of label items, over a server and on disk: data, pages, archives beside each other."""

import asyncio
import json
import os

import pytest

from mlhub_async import RetryPolicy
from mlhub_async.storage.ledger.recovery import DocumentRecords
from support.engine import run
from support.mirrored import Mirrored, publish
from support.server import Endless, Status, tif
from support.stac_server import Api, stac_collection, stac_item, static_catalog


def labels(count, *hrefs, **assets):
    links = [{"rel": "source", "href": href} for href in hrefs]
    made = [stac_item(f"l{number}", **assets) for number in range(count)]
    return [
        one | {"links": links, "properties": one["properties"] | {"label:type": "raster"}} for one in made
    ]


async def follow(site, dest, name, count=1, **options):
    site.json("/labels.json", {"type": "FeatureCollection", "features": labels(count, name)})
    report = await run(site.url("/labels.json"), dest, **options)
    return report.exit_code, Mirrored(dest).errors


DATA = {
    "TIFF": (tif(300), "image/tiff"),
    "TIFF said to be JSON": (tif(300), "application/json"),
    "ZIP": (b"PK\3\4" + bytes(3000), "application/zip"),
    "HTML": (b"<!doctype html><html><body>about</body></html>", "text/html"),
    "XML": (b"\xef\xbb\xbf\n<?xml version='1.0'?><a/>", "application/xml"),
    "CSV": (b"id,crop\n1,maize\n", "text/csv"),
    "text": (b"not here", "text/plain"),
    "white space": (b" " * 100_000, "application/json"),
    "GeoJSON": (b'{"type": "FeatureCollection", "features": [{"type": "Feature"}]}', "application/geo+json"),
}


@pytest.fixture
async def site(troubled):
    return await troubled.site()


@pytest.mark.parametrize("name", DATA)
async def test_a_source_link_to_data_is_told_and_asked_for_once(site, dest, name):
    body, content_type = DATA[name]
    site.put("/raw", body, content_type=content_type)
    code, rows = await follow(site, dest, "/raw", count=3)
    assert code == 0 and site.count("/raw") == 1
    assert sorted((row["item"], row["error"]["class"]) for row in rows) == [
        (f"l{number}", "dangling-source") for number in range(3)
    ]
    assert all(row["benign"] and row["href"] == site.url("/raw") for row in rows)


async def test_of_a_large_file_behind_a_source_link_only_the_first_bytes_are_read(site, dest):
    site.put("/raw", tif(100_000), always=[Endless()])
    code, (row,) = await follow(site, dest, "/raw")
    assert code == 0 and row["benign"] and site.count("/raw") == 1


BROKEN = [b"", b'{"type": "Feature", "id": ', b'{"a": NaN}', b'{"error": "none"}']


@pytest.mark.parametrize("answer", BROKEN)
async def test_a_source_link_to_broken_json_or_to_no_stac_is_incomplete(site, dest, answer):
    site.put("/raw", answer, content_type="application/json")
    code, (row,) = await follow(site, dest, "/raw", retry=RetryPolicy(attempts=5, base=0))
    assert code == 4 and not row["benign"] and row["item"] == "l0"
    assert site.count("/raw") == 1 + (answer != BROKEN[-1])


async def test_a_source_link_that_is_answered_by_202_may_come_later(site, dest):
    site.json("/raw", stac_item("s"), status=202)
    code, (row,) = await follow(site, dest, "/raw")
    assert code == 5 and not row["benign"] and site.count("/raw") == 3


async def test_a_collection_that_is_broken_twice_alike_is_wrong_for_good(site, dest):
    api = Api(site, publish(site, ["one"]))
    site.put("/stac/collections/c1", b'{"id": NaN}', content_type="application/json")
    site.routes.pop("/stac/collections/c1")
    report = await run(api.url, dest, "c1")
    assert report.exit_code == 4 and site.count("/stac/collections/c1") == 2


@pytest.mark.parametrize(("status", "code"), [(404, 0), (503, 5), (401, 4)])
async def test_a_dead_source_link_of_70_items_is_asked_for_as_often_as_that_of_one(site, dest, status, code):
    site.put("/gone", status=status)
    found, rows = await follow(site, dest, "/gone", count=70)
    assert found == code and len({row["item"] for row in rows}) == len(rows) == 70
    assert site.count("/gone") == (3 if status == 503 else 1)


def archives(folder, names=("a_labels", "a_source")):
    """Two archives of MLHub, unpacked beside each other."""
    lab, src = (folder / name for name in names)
    for place, item in ((lab, "l1"), (src, "s1")):
        (place / item).mkdir(parents=True)
        link = {"rel": "item", "href": f"./{item}/stac.json"}
        (place / "collection.json").write_text(json.dumps(stac_collection(place.name, links=[link])))
    (label,) = labels(1, f"../../{src.name}/s1/stac.json", labels="./l.tif")
    (lab / "l1/stac.json").write_text(json.dumps(label | {"id": "l1", "collection": lab.name}))
    (lab / "l1/l.tif").write_bytes(tif(300, 1))
    (src / "s1/stac.json").write_text(json.dumps(stac_item("s1", src.name, B02="./b.tif")))
    (src / "s1/b.tif").write_bytes(tif(400, 2))
    return lab, src


@pytest.mark.parametrize("given", ["", "collection.json"])
async def test_source_items_of_a_collection_beside_a_local_one_are_found(tmp_path, dest, given):
    lab, _ = archives(tmp_path / "in")
    report = await run(lab / given, dest)
    Mirrored(dest).check(0)
    assert sorted(Mirrored(dest).files) == ["a_labels/l1/labels.tif", "a_source/s1/B02.tif"]
    assert report.dangling == 0 and (await run(lab / given, dest)).skipped == 2


@pytest.mark.parametrize("change", ["no collection", "link out", "linked collection", "labels are none"])
async def test_files_beside_a_local_catalogue_that_are_of_no_collection_are_not_read(tmp_path, dest, change):
    lab, src = archives(tmp_path / "in")
    if change == "no collection":
        (src / "collection.json").unlink()
    elif change == "link out":
        (src / "s1").rename(tmp_path / "s1")
        (src / "s1").symlink_to(tmp_path / "s1")
    elif change == "linked collection":
        (src / "collection.json").rename(tmp_path / "elsewhere.json")
        (src / "collection.json").symlink_to(tmp_path / "elsewhere.json")
    else:
        os.rename(lab / "collection.json", lab / "catalog.json")
        (lab / "catalog.json").write_text((lab / "catalog.json").read_text().replace("Collection", "Catalog"))
    report = await run(lab, dest)
    assert report.exit_code == 4 and sorted(Mirrored(dest).files) == [
        f"{Mirrored(dest).errors[0]['collection']}/l1/labels.tif"
    ]
    (row,) = Mirrored(dest).errors
    assert row["error"]["class"] == "source-outside-root" and "SOURCE" in row["error"]["message"]


async def test_a_source_item_beside_a_local_collection_leads_no_further(tmp_path, dest):
    lab, src = archives(tmp_path / "in")
    (tmp_path / "in/secret.tif").write_bytes(tif(500))
    (src / "s1/stac.json").write_text(
        json.dumps(stac_item("s1", src.name, B02="./b.tif", up="../../secret.tif"))
    )
    report = await run(lab, dest)
    assert report.exit_code == 4 and Mirrored(dest).failed == {"s1": "outside-root"}
    assert sorted(Mirrored(dest).files) == ["a_labels/l1/labels.tif", "a_source/s1/B02.tif"]


async def test_an_asset_url_that_is_dead_is_asked_for_once_or_twice_however_many_items_share_it(site, dest):
    site.put("/gone.tif", status=404)
    site.put("/busy.tif", always=[Status(503)])
    items = [stac_item(f"i{n}", gone=site.url("/gone.tif"), busy=site.url("/busy.tif")) for n in range(70)]
    report = await run([*items, *publish(site, ["one"])], dest)
    assert report.exit_code in (4, 5) and report.failures == 140 and report.fetched == 1
    rows = {(row["item"], row["key"], row["error"]["status"]) for row in Mirrored(dest).errors}
    assert rows == {(f"i{n}", *one) for n in range(70) for one in (("gone", 404), ("busy", 503))}
    assert site.count("/gone.tif") == 1 and site.count("/busy.tif") <= 3


@pytest.mark.parametrize("answer", ["page", "text", "catalogue", "refused", "gone"])
async def test_a_source_item_in_whose_place_a_page_comes_is_not_pruned(site, dest, answer):
    (label,) = labels(1, "/s.json", data=site.put("/l.tif", tif(300, 1)))
    source, left = (stac_item(name, data=site.put(f"/{name}.tif", tif(300))) for name in ("s", "left"))
    for name, item in (("l", label), ("s", source), ("left", left)):
        site.json(f"/{name}.json", item)
    names = ["l", "left"] if answer == "gone" else ["l"]
    links = [{"rel": "item", "href": f"/{name}.json"} for name in names]
    site.json("/c.json", stac_collection("c1", links=links))
    assert (await run(site.url("/c.json"), dest)).exit_code == 0
    site.json("/c.json", stac_collection("c1", links=links[:1]))
    match answer:
        case "page":
            site.put("/s.json", DATA["HTML"][0], content_type="text/html")
        case "text":
            site.put("/s.json", b"upstream connect error", content_type="text/plain")
        case "catalogue":
            site.json("/s.json", stac_collection("other"))
        case "refused":
            site.put("/s.json", status=403)
        case "gone":
            site.put("/s.json", status=404)
    report = await run(site.url("/c.json"), dest, prune=True, max_delete=10)
    kept = "c1/s/data.tif" in Mirrored(dest).files
    assert (report.exit_code, kept) == ((0, False) if answer == "gone" else (4, True))


async def test_an_item_that_is_listed_while_a_link_leads_to_it_is_no_contradiction(site, dest, monkeypatch):
    """Its assets are claimed, and it has no other state yet; the ledger has the description of before."""
    [item] = publish(site, ["s1"])
    [label] = labels(1, site.url("/s1.json"))

    def catalogue():
        site.json("/s1.json", item)
        return static_catalog(site, [{**label, "collection": "labels"}, item])

    assert (await run(catalogue(), dest)).ok
    item["assets"]["data"] = {"href": site.put("/moved.tif", tif(20_000, 5))}
    given = DocumentRecords.claims_with_records

    async def late(files, result, body):
        for _ in range(5_000 if "s1" in result.path else 0):
            await asyncio.sleep(0)
        return await given(files, result, body)

    monkeypatch.setattr(DocumentRecords, "claims_with_records", late)
    report = await run(catalogue(), dest)
    assert report.ok, Mirrored(dest).errors
    assert Mirrored(dest).bytes_of("s1") == tif(20_000, 5)
