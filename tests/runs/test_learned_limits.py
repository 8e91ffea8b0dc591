"""The concurrency limit that a run learned for an origin: written to DEST and used by the next run."""

import json

import pytest

from mlhub_async.http.resilience.concurrency import FIRST_LIMIT, MAX_LIMIT
from support.engine import run
from support.mirrored import publish
from support.server import Delay
from support.stac_server import static_catalog


@pytest.fixture
async def site(troubled):
    return await troubled.site()


async def test_a_run_writes_the_limits_it_learned(site, dest):
    items = publish(site, [f"i{n}" for n in range(40)], always=[Delay(0.02)])
    assert (await run(static_catalog(site, items), dest)).exit_code == 0
    learned = json.loads((dest / ".mlhub" / "pace.json").read_text())
    assert list(learned) == [site.url("/").rstrip("/")]
    assert FIRST_LIMIT <= learned[site.url("/").rstrip("/")] <= MAX_LIMIT


async def test_a_run_starts_with_the_limits_an_earlier_run_learned(site, dest):
    items = publish(site, ["a", "b", "c", "d"], always=[Delay(0.02)])
    (dest / ".mlhub").mkdir(parents=True)
    (dest / ".mlhub" / "pace.json").write_text(json.dumps({site.url("/").rstrip("/"): 1}))
    assert (await run(static_catalog(site, items), dest)).exit_code == 0
    assert site.peak == 1


async def test_an_unreadable_file_of_limits_is_ignored(site, dest):
    (dest / ".mlhub").mkdir(parents=True)
    (dest / ".mlhub" / "pace.json").write_text('{"a": "b", "c": -1, "d": [')
    assert (await run(static_catalog(site, publish(site, ["a"])), dest)).exit_code == 0
