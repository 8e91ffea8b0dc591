"""Statuses that pass, those that last, and rate limits, in whole runs."""

import base64
import hashlib

import pytest

from support.engine import AT_ONCE, run
from support.faults import Headers, StatusOf
from support.mirrored import Mirrored, publish
from support.server import Cut, Flip, Status, tif
from support.stac_server import sizes_and_digests, stac_item, static_catalog

XML = "<?xml version='1.0'?><Error><Code>{}</Code><Message>m</Message></Error>"
BODY = tif(20_000)


@pytest.fixture
async def site(troubled):
    return await troubled.site()


def code(status, name):
    return Status(status, body=XML.format(name).encode(), content_type="application/xml")


PASSING = {
    **{f"s{status}": Status(status) for status in (202, 408, 425, 429, 500, 502, 503, 504, 507, 509, 511)},
    **{f"s{status}": Status(status) for status in (520, 526, 527, 530, 545, 561, 598, 599)},
    **{f"said{status}": Status(status, retry_after="0.01") for status in (403, 409, 423, 500, 502)},
    "slow": code(403, "SlowDown"),
    "aborted": code(409, "OperationAborted"),
    "waited": code(400, "RequestTimeout"),
    "azure": Status(409, headers=(("x-ms-error-code", "ServerBusy"),)),
    "spent": Status(403, headers=(("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "0.01"))),
}
LASTING = {
    **{f"n{status}": Status(status) for status in (403, 409, 423, 451, 501, 505, 506, 508, 510)},
    "denied": code(403, "AccessDenied"),
    "left": Status(403, headers=(("X-RateLimit-Remaining", "9"), ("X-RateLimit-Reset", "60"))),
}


async def test_what_passes_is_asked_for_again_and_what_lasts_is_not(site, dest):
    items = [item for name, one in PASSING.items() for item in publish(site, [name], faults=[one, one])]
    items += [item for name, one in LASTING.items() for item in publish(site, [name], always=[one])]
    report = await run(items, dest, concurrency=1)
    mirror = Mirrored(dest)
    assert report.exit_code == 4 and set(mirror.failed) == set(LASTING)
    assert {site.count(f"/{name}.tif") for name in PASSING} == {3}
    assert {site.count(f"/{name}.tif") for name in LASTING} == {1}


async def test_what_passes_but_not_in_this_run_may_come_in_another(site, dest):
    items = publish(site, ["one"], always=[code(403, "SlowDown")])
    assert (await run(items, dest)).exit_code == 5
    assert Mirrored(dest).failed == {"one": "throttled"} and site.count("/one.tif") == AT_ONCE.attempts


@pytest.mark.parametrize(
    "field",
    [
        ("RateLimit", '"default";r=0;t=1'),
        ("RateLimit-Reset", "1"),
        ("X-RateLimit-Reset", "1"),
        ("Retry-After", "1.0"),
    ],
    ids=lambda field: field[0],
)
@pytest.mark.parametrize("status", [429, 403])
async def test_a_rate_limit_holds_the_whole_origin(site, dest, field, status):
    items = publish(site, [f"i{n}" for n in range(6)])
    spent = ("X-RateLimit-Remaining", "0")
    site.things["/i1.tif"].faults.append(Status(status, headers=(field, spent, ("RateLimit-Remaining", "0"))))
    report = await run(items, dest, concurrency=1)
    assert report.exit_code == 0
    refused = site.requests["/i1.tif"][0].time
    later = [seen.time - refused for seen in site.log if seen.time > refused]
    assert len(later) >= 5 and 0.9 < min(later) < 10


async def test_a_resource_that_is_made_later_holds_back_itself_alone(site, dest):
    items = publish(site, ["one"], faults=[Status(202, retry_after="0.4")]) + publish(site, ["b", "c", "d"])
    assert (await run(items, dest, concurrency=1)).exit_code == 0
    first, second = (seen.time for seen in site.requests["/one.tif"])
    assert second - first >= 0.4


@pytest.mark.parametrize("transport", ["fast", "aiohttp"])
async def test_a_misdirected_request_is_sent_once_more_over_a_new_connection(site, dest, transport):
    """The first connection leads to a server that answers everything so."""
    right = site.answer

    def answer(seen):
        reply = right(seen)
        if seen.port == site.log[0].port:
            reply.status, reply.body = 421, b"not here"
        return reply

    items = publish(site, ["one", "two", "three"])
    site.answer = answer
    assert (await run(items, dest, transport=transport, concurrency=1)).exit_code == 0
    first, second = (seen.port for seen in site.requests["/one.tif"])
    assert first != second and len(site.log) == 4


@pytest.mark.parametrize("transport", ["fast", "aiohttp"])
async def test_where_every_connection_is_the_wrong_one_the_asset_has_failed(site, dest, transport):
    items = publish(site, ["one"], always=[Status(421)])
    assert (await run(items, dest, transport=transport)).exit_code == 4
    asked = site.requests["/one.tif"]
    assert len(asked) == 2 and asked[0].port != asked[1].port


@pytest.mark.parametrize("size", [20_000, 3_000_000])
@pytest.mark.parametrize("says", ["", "file:size", "file:checksum"])
async def test_of_a_203_the_digest_is_the_proof_and_not_the_length(site, dest, size, says):
    body = tif(size)
    known = sizes_and_digests(body)
    asset = {"href": site.put("/one.tif", body, etag='"1"', always=[StatusOf(203)])}
    asset |= {says: known[says]} if says else {}
    report = await run([stac_item("one", data=asset)], dest)
    mirror = Mirrored(dest)
    assert report.exit_code == 0 and mirror.bytes_of("one") == body
    proven = "verified_checksum" if says == "file:checksum" else "unverifiable"
    assert mirror.receipt["assets"][proven] == 1


async def test_a_203_that_a_proxy_has_changed_is_refused_by_its_digest(site, dest):
    published = base64.b64encode(hashlib.sha256(BODY).digest()).decode()
    digest = Headers((("Repr-Digest", f"sha-256=:{published}:"),))
    declared = {"href": site.put("/one.tif", BODY, always=[StatusOf(203), Flip(9000)])}
    declared["file:checksum"] = sizes_and_digests(BODY)["file:checksum"]
    sent = {"href": site.put("/two.tif", BODY, always=[StatusOf(203), digest, Flip(9000)])}
    report = await run([stac_item("one", data=declared), stac_item("two", data=sent)], dest)
    assert report.exit_code == 4 and Mirrored(dest).files == {}
    assert set(Mirrored(dest).failed.values()) == {"checksum-mismatch"}


async def test_a_203_that_breaks_off_is_asked_for_from_its_first_byte(site, dest):
    body = tif(3_000_000)
    site.put("/one.tif", body, etag='"1"', faults=[Cut(after=2_000_000)], always=[StatusOf(203)])
    assert (await run([stac_item("one", data=site.url("/one.tif"))], dest)).exit_code == 0
    assert [seen.headers.get("range") for seen in site.requests["/one.tif"]] == [None, None]
    assert Mirrored(dest).bytes_of("one") == body


async def test_documents_come_with_203_too(site, dest):
    url = static_catalog(site, publish(site, ["one"]))
    site.always = (StatusOf(203),)
    assert (await run(url, dest)).exit_code == 0 and len(Mirrored(dest).files) == 1
