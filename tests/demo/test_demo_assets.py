"""The assets of the embedded sample catalogue: expiring links, a second origin, valid files."""

import hashlib
import runpy
import struct
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import pystac
import pytest

from mlhub_async.demo import DemoConfig
from mlhub_async.demo.sample import to_lonlat
from support.demo_client import CHIP, LABELS, SOURCE, connected
from support.schemas import offline_validator

ROOT = Path(__file__).parents[2]
SOURCE_ITEM = f"{SOURCE}_29NMG_12_20180502"


@pytest.fixture
async def demo():
    async with connected(DemoConfig()) as client:
        yield client


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
    first, second = [await demo.asset_href(LABELS, CHIP, "labels") for _ in range(2)]
    assert first != second
    assert len(first.rsplit("/")[-1]) > 200
    assert "29NMG" not in first.rsplit("/")[-1]
    location = await demo.location_of(first)
    assert location == await demo.location_of(second)
    assert location.startswith(demo.site.storage + "/")
    assert demo.site.storage not in demo.site.root


async def test_all_label_items_share_one_documentation(demo):
    items = (await demo.get(f"/collections/{LABELS}/items"))["features"]
    locations = {await demo.location_of(item["assets"]["documentation"]["href"]) for item in items}
    assert len(locations) == 1
    _, headers, body = await demo.fetch(locations.pop())
    assert headers["Content-Type"] == "application/pdf"
    start = int(body.split(b"startxref")[1].split()[0])
    assert body[start:].startswith(b"xref\n0 6\n")
    assert body.startswith(b"%PDF-1.4")


async def test_a_download_link_expires_and_an_invented_one_is_a_404():
    async with connected(DemoConfig(token_ttl=0.0)) as demo:
        status, _, _ = await demo.fetch(await demo.asset_href(LABELS, CHIP, "labels"))
        assert status == 403
        assert await demo.get("/download/gAAAAABjH4Xcmade-up", 404) == {"detail": "Download link not found."}


async def test_a_changed_download_link_is_a_404(demo):
    href = await demo.asset_href(LABELS, CHIP, "labels")
    changed = href[:-20] + ("A" if href[-20] != "A" else "B") + href[-19:]
    status, _, _ = await demo.fetch(changed)
    assert status == 404


async def test_storage_sends_validators_and_the_digest_of_the_whole_body(demo):
    url = await demo.location_of(await demo.asset_href(SOURCE, SOURCE_ITEM, "B04"))
    _, headers, body = await demo.fetch(url)
    assert headers["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    assert int(headers["Content-Length"]) == len(body)
    assert headers["Accept-Ranges"] == "bytes"
    status, head, nothing = await demo.fetch(url, "HEAD")
    assert (status, nothing, head["Content-MD5"]) == (200, b"", headers["Content-MD5"])
    assert head["Content-Length"] == headers["Content-Length"]
    status, _, _ = await demo.fetch(url, **{"If-None-Match": headers["ETag"]})
    assert status == 304
    status, _, _ = await demo.fetch(url, **{"If-Match": '"other"'})
    assert status == 412
    status, _, _ = await demo.fetch(f"{url}.gone")
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
    url = await demo.location_of(await demo.asset_href(SOURCE, SOURCE_ITEM, "SCL"))
    _, _, whole = await demo.fetch(url)
    answered, headers, part = await demo.fetch(url, Range=asked)
    assert (answered, part) == (status, whole[span])
    if status == 206:
        start = whole.index(part) if len(part) > 20 else range(len(whole))[span].start
        assert headers["Content-Range"] == f"bytes {start}-{start + len(part) - 1}/{len(whole)}"
    elif status == 416:
        assert headers["Content-Range"] == f"bytes */{len(whole)}"


async def test_if_range_with_another_validator_gives_the_whole_body(demo):
    url = await demo.location_of(await demo.asset_href(SOURCE, SOURCE_ITEM, "SCL"))
    _, headers, _ = await demo.fetch(url)
    for validator, status in ((headers["ETag"], 206), (headers["Last-Modified"], 206), ('"other"', 200)):
        answered, _, _ = await demo.fetch(url, **{"Range": "bytes=1-2", "If-Range": validator})
        assert answered == status


async def test_a_credential_sent_to_storage_is_recorded_without_its_value(demo):
    url = await demo.location_of(await demo.asset_href(LABELS, CHIP, "labels"))
    await demo.fetch(url)
    assert demo.site.leaks == []
    await demo.fetch(f"{url}?key={demo.site.key}")
    await demo.fetch(url, Authorization="Bearer other")
    await demo.fetch(url, **{"X-Api-Key": demo.site.key})
    assert len(demo.site.leaks) == 3
    assert not any(demo.site.key in leak for leak in demo.site.leaks)


async def test_the_label_image_is_a_geotiff_with_the_class_counts_of_its_item(demo):
    item = await demo.get(f"/collections/{LABELS}/items/{CHIP}")
    _, _, data = await demo.fetch(item["assets"]["labels"]["href"])
    tags, pixels = tiff(data)
    assert (tags[256], tags[257], tags[258], len(pixels)) == ((256,), (256,), (8,), 65536)
    names = item["properties"]["label:classes"][0]["classes"]
    counted = {names[value]: count for value, count in Counter(pixels).items()}
    announced = {each["name"]: each["count"] for each in item["properties"]["label:overviews"][0]["counts"]}
    assert counted == announced
    assert len(announced) == 7


async def test_bands_have_sixteen_bits_and_the_location_of_their_item(demo):
    item = await demo.get(f"/collections/{SOURCE}/items/{SOURCE_ITEM}")
    assert len(item["assets"]) == 14
    sizes = {}
    for key, asset in item["assets"].items():
        _, headers, data = await demo.fetch(asset["href"])
        tags, pixels = tiff(data)
        sizes[key] = (tags[258][0], len(pixels))
        assert headers["Content-Type"] == asset["type"] == "image/tiff"
        keys = tags[34735]
        epsg = {keys[at]: keys[at + 3] for at in range(4, len(keys), 4)}[3072]
        assert epsg == 32629
        west, north = to_lonlat(29, *tags[33922][3:5])
        assert item["bbox"][0] <= west <= item["bbox"][2]
        assert abs(item["bbox"][3] - north) < 0.001
    assert sizes.pop("CLD") == sizes.pop("SCL") == (8, 65536)
    assert set(sizes.values()) == {(16, 131072)}


async def test_the_dates_of_a_label_are_those_of_the_imagery_it_links_to(demo):
    item = await demo.get(f"/collections/{LABELS}/items/{CHIP}")
    _, headers, data = await demo.fetch(item["assets"]["source_dates"]["href"])
    links = [link["href"] for link in item["links"] if link["rel"] == "source"]
    imagery = [await demo.get(link.removeprefix(demo.site.root)) for link in links]
    dates = [row.split(",")[1] for row in data.decode().splitlines()[1:]]
    assert headers["Content-Type"] == "text/csv"
    assert dates == [each["properties"]["datetime"][:10] for each in imagery]


async def test_cloud_cover_is_the_share_of_cloudy_pixels_in_the_scene_classification(demo):
    imagery = (await demo.get(f"/collections/{SOURCE}/items", limit=100))["features"]
    covers = set()
    for item in imagery:
        _, _, data = await demo.fetch(item["assets"]["SCL"]["href"])
        _, pixels = tiff(data)
        covers.add(item["properties"]["eo:cloud_cover"])
        assert item["properties"]["eo:cloud_cover"] == round(pixels.count(9) / 655.36, 1)
    assert 0.0 in covers
    assert len(covers) > 3


def test_the_stored_landscapes_are_those_of_the_script_that_made_them():
    script = runpy.run_path(str(ROOT / "docs/images/landscapes.py"))
    stored = (ROOT / "mlhub_async/demo/landscapes.bin").read_bytes()
    assert zlib.decompress(stored) == script["pixels"]()
    assert len(stored) < 256 << 10


def test_utm_positions_are_converted_as_by_other_implementations():
    assert to_lonlat(29, 430680, 700020) == pytest.approx((-9.626748036495686, 6.332663847472379), abs=1e-9)
    assert to_lonlat(31, 500000, 0) == (3.0, 0.0)


async def test_an_asset_has_the_same_bytes_in_every_run():
    digests = []
    for _ in range(2):
        async with connected(DemoConfig()) as demo:
            _, _, data = await demo.fetch(await demo.asset_href(SOURCE, SOURCE_ITEM, "B08"))
            digests.append(hashlib.sha256(data).hexdigest())
    assert digests[0] == digests[1]


async def test_any_of_two_million_chips_can_be_listed_at_once():
    async with connected(DemoConfig(items=2_000_000, dates=72)) as demo:
        page = await demo.get(f"/collections/{SOURCE}/items", limit=2)
        assert page["context"]["matched"] == 144_000_000
        number = 1_999_999
        last = await demo.get(f"/collections/{LABELS}/items", token=f"next:{demo.label(number - 1)}")
        assert [item["id"] for item in last["features"]] == [demo.label(number)]
        assert len([link for link in last["features"][0]["links"] if link["rel"] == "source"]) == 72
        near = await demo.get("/search", bbox=",".join(map(str, last["features"][0]["bbox"])), limit=1000)
        assert demo.label(number) in [item["id"] for item in near["features"]]
