"""The bytes behind the embedded sample catalogue: links that expire, a second origin, readable files."""

import hashlib
import struct
import zlib
from collections import Counter
from typing import Any

import pystac
import pytest

from mlhub_async.demo import DemoConfig
from mlhub_async.demo.sample import lonlat
from support.demo_client import CHIP, LABELS, SOURCE, visiting
from support.schemas import offline_validator

SCENE = f"{SOURCE}_29NMG_12_20180502"


@pytest.fixture
async def demo():
    async with visiting(DemoConfig()) as visitor:
        yield visitor


def tiff(data: bytes) -> tuple[dict[int, tuple[Any, ...]], bytes]:
    """Tags and pixels of a little-endian TIFF with one deflated strip."""
    assert data[:4] == b"II*\0"
    kinds = {2: "c", 3: "H", 4: "I", 12: "d"}
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    tags: dict[int, tuple[Any, ...]] = {}
    for at in range(start + 2, start + 2 + 12 * count, 12):
        number, kind, length = struct.unpack_from("<HHI", data, at)
        form = f"<{length}{kinds[kind]}"
        place = at + 8 if struct.calcsize(form) <= 4 else struct.unpack_from("<I", data, at + 8)[0]
        tags[number] = struct.unpack_from(form, data, place)
    assert list(tags) == sorted(tags)
    assert tags[273][0] + tags[279][0] == len(data)
    return tags, zlib.decompress(data[tags[273][0] :])


async def test_every_document_is_valid_stac(demo):
    offline_validator()
    documents = [await demo.get("/"), *(await demo.get("/collections"))["collections"]]
    documents += (await demo.get("/search", limit=100))["features"]
    assert len(documents) == 3 + 24
    for document in documents:
        assert pystac.validation.validate_dict(document)
    alone = pystac.Item.from_dict({**documents[3], "links": [], "collection": None})
    assert len(alone.validate()) == 2
    del documents[3]["properties"]["label:description"]
    with pytest.raises(pystac.STACValidationError, match="label:description"):
        pystac.validation.validate_dict(documents[3])


async def test_a_download_link_is_new_in_every_response_and_leads_to_the_same_place(demo):
    first, second = [await demo.asset(LABELS, CHIP, "labels") for _ in range(2)]
    assert first != second
    assert len(first.rsplit("/")[-1]) > 200
    assert "29NMG" not in first.rsplit("/")[-1]
    place = await demo.follow(first)
    assert place == await demo.follow(second)
    assert place.startswith(demo.site.storage + "/")
    assert demo.site.storage not in demo.site.root


async def test_all_label_items_share_one_documentation(demo):
    items = (await demo.get(f"/collections/{LABELS}/items"))["features"]
    places = {await demo.follow(item["assets"]["documentation"]["href"]) for item in items}
    assert len(places) == 1
    _, headers, body = await demo.head_of(places.pop())
    assert headers["Content-Type"] == "application/pdf"
    start = int(body.split(b"startxref")[1].split()[0])
    assert body[start:].startswith(b"xref\n0 6\n")
    assert body.startswith(b"%PDF-1.4")


async def test_a_link_expires_and_a_made_up_one_never_worked():
    async with visiting(DemoConfig(token_ttl=0.0)) as demo:
        status, _, _ = await demo.head_of(await demo.asset(LABELS, CHIP, "labels"))
        assert status == 403
        assert await demo.get("/download/gAAAAABjH4Xcmade-up", 404) == {"detail": "Download link not found."}


async def test_a_link_whose_bytes_were_changed_is_refused(demo):
    href = await demo.asset(LABELS, CHIP, "labels")
    changed = href[:-20] + ("A" if href[-20] != "A" else "B") + href[-19:]
    status, _, _ = await demo.head_of(changed)
    assert status == 404


async def test_storage_serves_validators_and_the_digest_of_the_whole(demo):
    url = await demo.follow(await demo.asset(SOURCE, SCENE, "B04"))
    _, headers, body = await demo.head_of(url)
    assert headers["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    assert int(headers["Content-Length"]) == len(body)
    assert headers["Accept-Ranges"] == "bytes"
    status, head, nothing = await demo.head_of(url, "HEAD")
    assert (status, nothing, head["Content-MD5"]) == (200, b"", headers["Content-MD5"])
    assert head["Content-Length"] == headers["Content-Length"]
    status, _, _ = await demo.head_of(url, **{"If-None-Match": headers["ETag"]})
    assert status == 304
    status, _, _ = await demo.head_of(url, **{"If-Match": '"other"'})
    assert status == 412
    status, _, _ = await demo.head_of(f"{url}.gone")
    assert status == 404


@pytest.mark.parametrize(
    ("asked", "status", "span"),
    [
        ("bytes=0-9", 206, slice(0, 10)),
        ("bytes=100-", 206, slice(100, None)),
        ("bytes=-7", 206, slice(-7, None)),
        ("bytes=5-999999999", 206, slice(5, None)),
        ("bytes=999999999-", 416, slice(0, 0)),
        ("bytes=9-5", 200, slice(None)),
        ("bytes=0-1,4-5", 200, slice(None)),
        ("pages=1-2", 200, slice(None)),
    ],
)
async def test_storage_serves_single_ranges(demo, asked, status, span):
    url = await demo.follow(await demo.asset(SOURCE, SCENE, "SCL"))
    _, _, whole = await demo.head_of(url)
    answered, headers, part = await demo.head_of(url, Range=asked)
    assert (answered, part) == (status, whole[span])
    if status == 206:
        start = whole.index(part) if len(part) > 20 else range(len(whole))[span].start
        assert headers["Content-Range"] == f"bytes {start}-{start + len(part) - 1}/{len(whole)}"
    elif status == 416:
        assert headers["Content-Range"] == f"bytes */{len(whole)}"


async def test_a_range_is_only_served_of_the_version_it_was_asked_of(demo):
    url = await demo.follow(await demo.asset(SOURCE, SCENE, "SCL"))
    _, headers, _ = await demo.head_of(url)
    for validator, status in ((headers["ETag"], 206), (headers["Last-Modified"], 206), ('"other"', 200)):
        answered, _, _ = await demo.head_of(url, **{"Range": "bytes=1-2", "If-Range": validator})
        assert answered == status


async def test_a_credential_that_reaches_storage_is_noted_but_not_repeated(demo):
    url = await demo.follow(await demo.asset(LABELS, CHIP, "labels"))
    await demo.head_of(url)
    assert demo.site.leaks == []
    await demo.head_of(f"{url}?key={demo.site.key}")
    await demo.head_of(url, Authorization="Bearer other")
    await demo.head_of(url, **{"X-Api-Key": demo.site.key})
    assert len(demo.site.leaks) == 3
    assert not any(demo.site.key in leak for leak in demo.site.leaks)


async def test_the_label_picture_is_a_geotiff_with_the_classes_that_its_item_counts(demo):
    item = await demo.get(f"/collections/{LABELS}/items/{CHIP}")
    _, _, data = await demo.head_of(item["assets"]["labels"]["href"])
    tags, pixels = tiff(data)
    assert (tags[256], tags[257], tags[258], len(pixels)) == ((256,), (256,), (8,), 65536)
    names = item["properties"]["label:classes"][0]["classes"]
    counted = {names[value]: count for value, count in Counter(pixels).items()}
    told = {each["name"]: each["count"] for each in item["properties"]["label:overviews"][0]["counts"]}
    assert counted == told
    assert len(told) == 7


async def test_imagery_is_sixteen_bits_on_the_spot_that_the_item_says(demo):
    item = await demo.get(f"/collections/{SOURCE}/items/{SCENE}")
    assert len(item["assets"]) == 14
    sizes = {}
    for key, asset in item["assets"].items():
        _, headers, data = await demo.head_of(asset["href"])
        tags, pixels = tiff(data)
        sizes[key] = (tags[258][0], len(pixels))
        assert headers["Content-Type"] == asset["type"] == "image/tiff"
        keys = tags[34735]
        epsg = {keys[at]: keys[at + 3] for at in range(4, len(keys), 4)}[3072]
        assert epsg == 32629
        west, north = lonlat(29, *tags[33922][3:5])
        assert item["bbox"][0] <= west <= item["bbox"][2]
        assert abs(item["bbox"][3] - north) < 0.001
    assert sizes.pop("CLD") == sizes.pop("SCL") == (8, 65536)
    assert set(sizes.values()) == {(16, 131072)}


async def test_the_dates_of_a_label_are_those_of_the_imagery_it_links_to(demo):
    item = await demo.get(f"/collections/{LABELS}/items/{CHIP}")
    _, headers, data = await demo.head_of(item["assets"]["source_dates"]["href"])
    links = [link["href"] for link in item["links"] if link["rel"] == "source"]
    imagery = [await demo.get(link.removeprefix(demo.site.root)) for link in links]
    told = [row.split(",")[1] for row in data.decode().splitlines()[1:]]
    assert headers["Content-Type"] == "text/csv"
    assert told == [each["properties"]["datetime"][:10] for each in imagery]


async def test_cloud_cover_is_the_share_of_cloudy_pixels_in_the_scene_classification(demo):
    imagery = (await demo.get(f"/collections/{SOURCE}/items", limit=100))["features"]
    covers = set()
    for item in imagery:
        _, _, data = await demo.head_of(item["assets"]["SCL"]["href"])
        _, pixels = tiff(data)
        covers.add(item["properties"]["eo:cloud_cover"])
        assert item["properties"]["eo:cloud_cover"] == round(pixels.count(9) / 655.36, 1)
    assert 0.0 in covers
    assert len(covers) > 3


def test_a_utm_position_becomes_the_longitude_and_latitude_that_others_compute():
    assert lonlat(29, 430680, 700020) == pytest.approx((-9.626748036495686, 6.332663847472379), abs=1e-9)
    assert lonlat(31, 500000, 0) == (3.0, 0.0)


async def test_an_asset_has_the_same_bytes_in_every_run():
    digests = []
    for _ in range(2):
        async with visiting(DemoConfig()) as demo:
            _, _, data = await demo.head_of(await demo.asset(SOURCE, SCENE, "B08"))
            digests.append(hashlib.sha256(data).hexdigest())
    assert digests[0] == digests[1]


async def test_two_million_chips_are_as_quick_to_reach_as_six():
    async with visiting(DemoConfig(items=2_000_000, dates=72)) as demo:
        page = await demo.get(f"/collections/{SOURCE}/items", limit=2)
        assert page["context"]["matched"] == 144_000_000
        number = 1_999_999
        last = await demo.get(f"/collections/{LABELS}/items", token=f"next:{demo.label(number - 1)}")
        assert [item["id"] for item in last["features"]] == [demo.label(number)]
        assert len([link for link in last["features"][0]["links"] if link["rel"] == "source"]) == 72
        near = await demo.get("/search", bbox=",".join(map(str, last["features"][0]["bbox"])), limit=1000)
        assert demo.label(number) in [item["id"] for item in near["features"]]
