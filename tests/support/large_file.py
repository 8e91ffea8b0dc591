"""One large file on a slow site, the parts of it that were asked for, and what a run makes of it."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial

from mlhub_async.core.concurrency import run_single
from mlhub_async.core.model import Job
from mlhub_async.core.telemetry import Events, Meter
from mlhub_async.core.urls import origin
from mlhub_async.engine.connect import open_http
from mlhub_async.sources.location import location_of
from mlhub_async.storage.local.store import LocalStore
from mlhub_async.transfer.context import TransferContext
from mlhub_async.transfer.dedupe import UrlDedupe
from mlhub_async.transfer.existing import ExistingFiles
from mlhub_async.transfer.fetch import fetch
from mlhub_async.transfer.segments.coordinator import MAX_STREAMS, segment_policy
from support.engine import make_options, run
from support.mirrored import Mirrored, asset_requests
from support.server import Drip, tif
from support.stac_server import stac_item

MIB = 1 << 20
SIZE = 8 * MIB + 12_345
BODY, NEW = tif(SIZE), tif(SIZE, 2)
STRONG = {"etag": '"1"'}
SLOW = Drip(0.002, 64 << 10)


def large(site, faults=(), *, name="one", body=BODY, always=(SLOW,), about=STRONG, says=None):
    href = site.put(f"/{name}.tif", body, faults=faults, always=always, **about)
    return stac_item(name, data={"href": href, **(says or {})})


def parts(site):
    """The parts that were asked for, in order: first bytes and last."""
    asked = [seen.headers.get("range", "").removeprefix("bytes=") for seen in asset_requests(site)]
    return [tuple(map(int, text.split("-"))) for text in asked if text[-1:].isdigit()]


async def fetched(item, dest, body=BODY, **options):
    report = await run([item], dest, **{"parts": 4, **options})
    assert report.exit_code == 0, report.failed
    Mirrored(dest).check(0)
    assert Mirrored(dest).bytes_of("one") == body
    assert Mirrored(dest).partial == []
    return report


@dataclass
class ByteClock:
    """A clock driven by the bytes that arrive: `rate` gives bytes per second for a number of connections.

    So the rates that a transfer measures are those of the test, whatever the pace of the machine.
    """

    rate: object
    meter: Meter
    connections: object
    seconds: float = 0.0
    seen: int = 0

    def __call__(self):
        arrived = self.meter.received - self.seen
        self.seen += arrived
        self.seconds += arrived / self.rate(max(self.connections(), 1))
        return self.seconds


async def fetch_by_clock(asset, dest, rate):
    """Fetch one asset as `Client.download` does, but measure rates by a `ByteClock`; gives the outcome."""
    options = make_options(allow_private=True, max_per_host=2 * MAX_STREAMS)
    async with open_http(location_of(asset.href, {}), options, {}) as http:
        with closing(LocalStore(dest)) as store:
            store.open()
            context = TransferContext(
                http,
                store,
                http.retry,
                UrlDedupe(None),
                none,
                none,
                Meter(),
                Events(None),
                ExistingFiles.of(store),
            )
            limit = http.limits.gate(origin(asset.href)).limit
            clock = ByteClock(rate, context.meter, lambda: limit.active)
            policy = segment_policy(None, http, context.meter, context.quirks, context.idle_slots)
            policy = replace(policy, clock=clock, cpu_seconds=lambda: 0.0)
            job = Job(asset, "c1/one/data.bin")
            context = replace(context, segments=policy)
            outcome, _ = await run_single(partial(fetch, job, context), MAX_STREAMS, context.idle_slots)
    return outcome


async def none(*_):
    return None
