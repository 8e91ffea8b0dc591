"""Refusals and false promises: what a signature that ended costs, what is cut short, what is asked once."""

import json
from itertools import count

import pytest

from support.engine import run
from support.mirrored import Mirrored, asset_requests, publish
from support.server import Chunked, Cut, Endless, Headers, Length, Status, tif
from support.stac_server import Api, answer, stac_item, static_catalog

SIZE = 400_000
BODY = tif(SIZE)


@pytest.fixture
async def site(troubled):
    return await troubled.site()


def store_error(code, message, status=403):
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Status(status, body=body.encode(), content_type="application/xml")


EXPIRED = {
    "Azure": Status(403, body=b"", headers=(("x-ms-error-code", "AuthenticationFailed"),)),
    "Azure, in words": store_error(
        "AuthenticationFailed", "Signature not valid in the specified time frame: CANARY"
    ),
    "S3": store_error("AccessDenied", "Request has expired"),
    "S3, a session": store_error("ExpiredToken", "The provided token has expired.", 400),
    "Google": store_error("ExpiredToken", "Invalid argument.", 400),
}
SIGNED = [
    "sv=2021-06-08&se=2020-01-01&sig=%s",
    "X-Amz-Signature=%s&X-Amz-Expires=1",
    "X-Goog-Signature=%s&X-Goog-Expires=1",
]


class Signing:
    """An API over one asset whose every signature but the last that was given is refused."""

    def __init__(self, site, query, refused, renews=True):
        self.site, self.query, self.refused, self.renews = site, query, refused, renews
        self.numbers = count(1)
        self.item = self.minted()
        self.api = Api(site, [self.item])
        site.route("/stac/collections/c1/items/one", lambda _: answer(self.renewed()))

    def minted(self):
        number = next(self.numbers)
        return stac_item("one", data=self.site.url(f"/one.tif?{self.query % f'CANARY{number}'}"))

    def renewed(self):
        if self.renews:
            self.item = self.minted()
        return self.item


@pytest.mark.parametrize("place", ["file", "lines", "object", "object without a link"])
async def test_what_was_signed_when_items_were_saved_is_signed_anew_by_their_own_links(
    site, dest, tmp_path, place
):
    signing = Signing(site, SIGNED[0], Status(403))
    site.put("/one.tif", BODY, faults=[Status(403)])
    own = {"rel": "self", "href": signing.api.url + "/collections/c1/items/one"}
    saved = {**signing.item, "links": [] if place.endswith("link") else [own]}
    source = tmp_path / f"saved.{'ndjson' if place == 'lines' else 'json'}"
    source.write_text(json.dumps(saved))
    report = await run([saved] if place.startswith("object") else str(source), dest)
    assert report.exit_code == (4 if place.endswith("link") else 0), report.failed
    assert (Mirrored(dest).bytes_of("one") == BODY) is report.ok


@pytest.mark.parametrize("refused", EXPIRED.values(), ids=EXPIRED)
@pytest.mark.parametrize("query", SIGNED, ids=["Azure", "S3", "Google"])
async def test_a_signature_that_expires_in_the_middle_is_renewed_and_the_rest_asked_for(
    site, dest, refused, query
):
    signing = Signing(site, query, refused)
    site.put("/one.tif", BODY, etag='"1"', faults=[Cut(300_000), refused])
    report = await run(signing.api.url, dest, "c1")
    assert report.exit_code == 0, report.failed
    assert Mirrored(dest).bytes_of("one") == BODY
    asked = asset_requests(site)
    assert [seen.headers.get("range") for seen in asked] == [None, "bytes=300000-", "bytes=300000-"]
    assert [seen.query for seen in asked] == [query % f"CANARY{n}" for n in (1, 1, 2)]
    assert not [p for p in dest.rglob("*") if p.is_file() and b"CANARY" in p.read_bytes()]


@pytest.mark.parametrize(("renews", "requests"), [(True, 3), (False, 1)], ids=["anew", "the same"])
async def test_a_signature_that_is_never_taken_is_asked_for_twice_and_only_if_it_is_another(
    site, dest, renews, requests
):
    refused = store_error("SignatureDoesNotMatch", "StringToSign: CANARY")
    signing = Signing(site, SIGNED[1], refused, renews)
    site.put("/one.tif", BODY, always=[refused])
    report = await run(signing.api.url, dest, "c1")
    assert report.exit_code == 4 and len(asset_requests(site)) == requests
    [row] = Mirrored(dest).errors
    assert row["error"]["class"] == "forbidden" and "(SignatureDoesNotMatch)" in row["error"]["message"]
    assert "CANARY" not in (dest / ".mlhub/errors.jsonl").read_text()


@pytest.mark.parametrize("status", [400, 403, 404, 410])
async def test_what_is_refused_without_a_signature_is_asked_for_once(site, dest, status):
    url = static_catalog(site, publish(site, ["one", "two"]))
    site.things["/one.tif"].always = (Status(status),)
    report = await run(url, dest)
    assert report.exit_code == 4 and site.count("/one.tif") == 1
    assert Mirrored(dest).files == {"c1/two/data.tif": tif(20_000, 1)}


@pytest.mark.parametrize("framing", ["chunked", "close"])
@pytest.mark.parametrize("size", [20_000, SIZE], ids=["small", "large"])
async def test_a_body_without_an_end_is_left_one_buffer_beyond_its_size(site, dest, size, framing):
    items = publish(site, ["one"], size, always=[Endless(framing)])
    items[0]["assets"]["data"]["file:size"] = size
    report = await run(items, dest)
    assert report.exit_code == 4 and Mirrored(dest).failed == {"one": "size-mismatch"}
    assert site.count("/one.tif") == 2 and report.received < 2 * (size + (1 << 20))
    assert Mirrored(dest).files == {} and Mirrored(dest).partial == []


@pytest.mark.parametrize("size", [20_000, SIZE], ids=["small", "large"])
async def test_a_length_against_the_catalogue_is_refused_before_any_byte_is_taken(site, dest, size):
    items = publish(site, ["one"], size, always=[Length(+10, "hang")])
    items[0]["assets"]["data"]["file:size"] = size
    report = await run(items, dest)
    assert report.exit_code == 4 and Mirrored(dest).failed == {"one": "size-mismatch"}
    assert report.received == 0 and Mirrored(dest).partial == []


async def test_no_server_is_asked_by_head_so_that_no_head_can_lie(site, dest):
    site.put("/one.tif", BODY, etag='"1"', faults=[Cut(300_000)])
    url = static_catalog(site, [stac_item("one", data=site.url("/one.tif"))])
    for chosen in ("resume", "refresh", "overwrite", "skip"):
        assert (await run(url, dest, if_exists=chosen)).exit_code == 0
    assert {seen.method for seen in site.log} == {"GET"}


async def test_a_304_that_nobody_asked_for_is_no_file_however_often_it_comes(site, dest):
    items = publish(site, ["one"], always=[Status(304, body=b"", headers=(("Location", "/one.tif"),))])
    report = await run(items, dest)
    assert report.exit_code == 4 and Mirrored(dest).failed == {"one": "protocol"}
    assert site.count("/one.tif") == 1


@pytest.mark.parametrize("code", [206, 412, 416])
async def test_who_speaks_of_a_range_that_nobody_asked_for_is_asked_thrice_in_a_run(site, dest, code):
    items = publish(
        site, ["one"], always=[Status(code, body=b"II*", headers=(("Content-Range", "bytes 5-7/9"),))]
    )
    report = await run(items, dest)
    assert report.exit_code == 5 and Mirrored(dest).failed == {"one": "range"}
    assert site.count("/one.tif") == 3 and Mirrored(dest).files == {}


@pytest.mark.parametrize("length", ["7", "+20000", "20000, 7", "0x4e20", "-1", "9" * 23])
@pytest.mark.parametrize("framing", [(), (Chunked(4096),)], ids=["beside another", "beside chunks"])
async def test_lengths_that_contradict_each_other_are_no_length(site, dest, length, framing):
    items = publish(site, ["one"], always=[*framing, Headers((("Content-Length", length),))])
    report = await run(items, dest)
    assert report.exit_code == 5 and Mirrored(dest).failed == {"one": "protocol"}
    assert site.count("/one.tif") == 4 and Mirrored(dest).files == {}
