"""What a connection can do apart from what it carries: end early or late, never begin, never be there."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from mlhub_async import RetryPolicy
from support.counterparts import nginx
from support.engine import run
from support.mirrored import Mirrored, publish
from support.server import Chunked, CloseDelimited, Cut, Drip, Gone, HangUp, Length, Raw, Unannounced, tif
from support.stac_server import stac_item

ONCE = RetryPolicy(attempts=1, base=0)
PATIENT = RetryPolicy(attempts=6, base=0)
SIZES = pytest.mark.parametrize("size", [20_000, 400_000], ids=["small", "large"])
TABLE = b"a,b\n1,2\n" * 5000


@pytest.fixture
async def site(troubled):
    return await troubled.site()


async def ended(items, dest, **options):
    """Exit code and classes of failure."""
    report = await run(items, dest, **options)
    mirror = Mirrored(dest)
    mirror.check(report.exit_code)
    return report.exit_code, sorted(set(mirror.failed.values()))


@SIZES
async def test_more_bytes_than_announced_are_no_body_and_no_refusal(site, dest, size):
    items = publish(site, ["one"], size, always=[Length(-10)])
    assert await ended(items, dest) == (5, ["protocol"])
    assert site.count("/one.tif") == 4 and Mirrored(dest).files == {}


@pytest.mark.parametrize("trouble", [Length(-10), Raw(b"no HTTP at all")], ids=["length", "no HTTP"])
async def test_what_no_client_can_read_for_some_seconds_comes_in_the_next_run(site, dest, trouble):
    """Who restarts behind a proxy may answer so: four attempts by both transports are soon over."""
    items = publish(site, ["one"], faults=[trouble] * 4)
    assert await ended(items, dest) == (5, ["protocol"])
    assert all(row["error"]["retryable"] for row in Mirrored(dest).errors)
    assert await ended(items, dest) == (0, [])


@SIZES
async def test_more_bytes_than_announced_once_cost_one_request(site, dest, size):
    items = publish(site, ["one"], size, faults=[Length(-10)])
    assert await ended(items, dest) == (0, [])
    assert site.count("/one.tif") == 2 and Mirrored(dest).bytes_of("one") == tif(size)


def table(site, *always, **says):
    """A file of which every beginning is a file too."""
    href = site.put("/one.csv", TABLE, always=always)
    return [stac_item("one", data={"href": href, "type": "text/csv", **says})]


async def test_what_only_the_end_of_the_connection_ends_is_never_called_proven(site, dest):
    assert await ended(table(site, CloseDelimited()), dest) == (0, [])
    assets = Mirrored(dest).receipt["assets"]
    assert (assets["unverifiable"], assets["verified_size"], assets["verified_checksum"]) == (1, 0, 0)


@pytest.mark.parametrize("rst", [False, True], ids=["FIN", "RST"])
async def test_where_the_size_is_known_a_body_that_the_connection_ended_early_is_refused(site, dest, rst):
    items = table(site, CloseDelimited(), Cut(15_000, rst=rst), **{"file:size": len(TABLE)})
    assert await ended(items, dest) == (5, ["truncated"])
    assert Mirrored(dest).files == {}


async def test_a_reset_is_no_end_of_a_body_even_where_nothing_is_known_of_it(site, dest):
    assert await ended(table(site, CloseDelimited(), Cut(15_000, rst=True)), dest) == (5, ["truncated"])
    assert Mirrored(dest).files == {}


@pytest.mark.parametrize("ending", ["fin", "rst"])
async def test_a_connection_that_ends_before_any_head_is_one_request_and_one_attempt(site, dest, ending):
    items = publish(site, ["one"], always=[Gone(ending)])
    assert await ended(items, dest, retry=ONCE) == (5, ["connection"])
    assert site.count("/one.tif") == 1


async def test_without_any_answer_an_attempt_ends_in_time(site, dest):
    items = publish(site, ["one"], always=[Gone("hang")])
    report = await run(items, dest, retry=ONCE, timeout=0.3)
    assert report.exit_code == 5 and report.seconds < 30
    assert Mirrored(dest).failed == {"one": "timeout"}
    assert site.count("/one.tif") <= 2  # the last of a run is begun anew once, for free


@pytest.mark.parametrize("ending", ["fin", "rst"])
async def test_kept_connections_that_the_server_closed_cost_nobody_an_attempt(site, dest, ending):
    items = publish(site, [f"i{n}" for n in range(30)], always=[HangUp(ending)])
    assert await ended(items, dest, retry=ONCE, concurrency=2) == (0, [])
    assert len(Mirrored(dest).files) == 30
    # What a connection had taken in before it ended is asked for once more, and no oftener.
    assert all(site.count(f"/i{n}.tif") <= 2 for n in range(30))


async def test_a_body_below_the_least_speed_is_cut_and_gone_on_with(site, dest):
    """No pause between two drops is long enough for the idle timeout."""
    items = publish(site, ["one", "two"], 400_000, etag='"1"')
    site.things["/one.tif"].faults.append(Drip(0.02, 300))
    report = await run(items, dest, timeout=1, min_speed=50_000)
    assert report.exit_code == 0 and report.seconds < 30
    assert Mirrored(dest).bytes_of("one") == tif(400_000)
    first, second = (seen.headers.get("range") for seen in site.requests["/one.tif"])
    assert first is None and second is not None and second != "bytes=0-"
    assert site.count("/two.tif") == 1


async def test_a_body_below_the_least_speed_all_along_fails_in_time_and_says_why(site, dest):
    items = publish(site, ["one"], always=[Drip(0.02, 1)])
    report = await run(items, dest, timeout=1, min_speed=50_000, retry=ONCE)
    assert report.exit_code == 5 and report.seconds < 30
    [row] = Mirrored(dest).errors
    assert row["error"]["class"] == "too-slow" and "slower than 50000 bytes/s" in row["error"]["message"]


@pytest.fixture
async def safe(troubled, authority):
    return await troubled.site("localhost", authority.context())


async def test_tls_that_ends_without_a_goodbye_ends_no_body_of_known_length(safe, authority, dest):
    items = publish(safe, ["one"], 400_000, etag='"1"', faults=[(Cut(200_000), Unannounced())])
    assert await ended(items, dest, ca_file=str(authority.pem)) == (0, [])
    assert [seen.headers.get("range") for seen in safe.log] == [None, "bytes=200000-"]
    assert Mirrored(dest).bytes_of("one") == tif(400_000)


async def test_tls_that_ends_without_a_goodbye_proves_no_more_than_a_plain_end(safe, authority, dest):
    cut = [CloseDelimited(), Cut(15_000), Unannounced()]
    items = [*publish(safe, ["image"], always=cut), *table(safe, *cut)]
    code, failed = await ended(items, dest, ca_file=str(authority.pem))
    assert code in (4, 5) and failed in (["structure"], ["structure", "truncated"])
    assert Mirrored(dest).receipt["assets"]["verified_size"] == 0
    assert Mirrored(dest).bytes_of("image") is None


@asynccontextmanager
async def speaking(first):
    """A port where nobody speaks TLS: what comes is read, and answered by these bytes, if by any."""

    async def connected(reader, writer):
        connections.append(await reader.read(1))
        if first:
            writer.write(first)
        await reader.read()
        writer.close()

    connections = []
    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], connections


@pytest.mark.parametrize(
    ("first", "kind", "patience"),
    [(b"HTTP/1.1 400 Bad Request\r\n\r\n", "tls", 20), (b"", "timeout", 0.2)],
    ids=["plain", "silent"],
)
async def test_where_nobody_speaks_tls_an_asset_fails_for_now_and_soon(dest, first, kind, patience):
    async with speaking(first) as (port, connections):
        items = [stac_item("one", data=f"https://localhost:{port}/one.tif")]
        report = await run(items, dest, connect_timeout=patience)
    assert report.exit_code == 5 and report.seconds < 15
    assert Mirrored(dest).failed == {"one": kind}
    assert 1 <= len(connections) <= 3


@pytest.mark.parametrize(
    ("since", "until", "said"),
    [("20200101", "20200201", "has expired"), ("20990101", "20990201", "not yet valid")],
    ids=["expired", "not yet valid"],
)
async def test_a_certificate_out_of_its_time_is_refused_at_once_with_its_reason(
    troubled, authority, dest, since, until, said
):
    late = await troubled.site("localhost", authority.context(since=since, until=until))
    items = publish(late, ["one"])
    assert await ended(items, dest, ca_file=str(authority.pem)) == (4, ["tls"])
    assert said in Mirrored(dest).errors[0]["error"]["message"]
    assert late.log == [] and late.connections <= 1


async def test_a_certificate_signed_by_itself_is_refused_at_once_with_its_reason(troubled, authority, dest):
    alone = await troubled.site("localhost", authority.without_traceback())
    assert await ended(publish(alone, ["one"]), dest) == (4, ["tls"])
    assert "self-signed certificate" in Mirrored(dest).errors[0]["error"]["message"]
    assert alone.log == [] and alone.connections <= 1


@pytest.mark.parametrize("framing", [(), (Chunked(4096),)], ids=["length", "chunked"])
async def test_a_proxy_in_front_whose_origin_dies_is_seen_through(site, tmp_path, dest, framing):
    passed_on = f"location /up/ {{ proxy_pass {site.origin}/; proxy_http_version 1.1; proxy_buffering on; }}"
    faults = [(*framing, Cut(250_000)), (*framing, Cut(100_000, rst=True)), Gone()]
    site.put("/one.tif", tif(400_000), etag='"1"', faults=faults)
    with nginx(tmp_path / "nginx", passed_on) as server:
        items = [stac_item("one", data=server.url("/up/one.tif"))]
        assert await ended(items, dest, retry=PATIENT) == (0, [])
    assert Mirrored(dest).bytes_of("one") == tif(400_000)
    ranges = [seen.headers.get("range") for seen in site.log]
    assert ranges[0] is None and ranges[-1] not in (None, "bytes=0-") and len(ranges) == 4
