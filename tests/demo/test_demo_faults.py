"""The embedded sample catalogue when it misbehaves on purpose, and how it starts and stops."""

import asyncio
import socket
from collections.abc import Callable

import aiohttp
import pytest

from mlhub_async.core.errors import UsageError
from mlhub_async.demo import DemoConfig, run_forever, serve
from support.demo_client import CHIP, LABELS, SOURCE, Visitor, visiting


async def outcome(demo: Visitor, url: str, method: str = "GET") -> str:
    """What became of one request: a status, or how the connection failed. aiohttp never repeats a POST."""
    try:
        async with demo.session.request(method, url, json={}) as answer:
            await answer.read()
            wait = answer.headers.get("Retry-After")
            return f"{answer.status} {wait}" if wait else str(answer.status)
    except aiohttp.ClientPayloadError:
        return "cut"
    except aiohttp.ClientOSError:
        return "reset"
    except aiohttp.ServerDisconnectedError:
        return "reset"


async def until(condition: Callable[[], bool]) -> None:
    """Lets the loop turn until the condition holds."""
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(0)
    pytest.fail("it never happened")


async def outcomes(config: DemoConfig, tries: int) -> list[str]:
    async with visiting(config) as demo:
        path = f"{demo.site.root}/search?key={demo.site.key}"
        found = [await outcome(demo, path, "POST") for _ in range(tries)]
        assert demo.site.requests["fault"] == len([each for each in found if each != "200"])
        assert demo.site.requests["search"] == tries
        return found


async def test_faults_come_in_all_kinds_and_are_the_same_for_the_same_seed():
    config = DemoConfig(items=1, dates=1, errors=0.5, seed=3)
    found = await outcomes(config, 60)
    assert set(found) == {"200", "503 0", "503 1", "reset", "cut"}
    assert found == await outcomes(config, 60)
    assert found != await outcomes(DemoConfig(items=1, dates=1, errors=0.5, seed=4), 60)


async def test_the_fourth_try_always_succeeds():
    found = await outcomes(DemoConfig(items=1, dates=1, errors=1.0), 12)
    assert [each == "200" for each in found] == [False, False, False, True] * 3


async def test_faults_hit_assets_and_spare_the_landing_page():
    async with visiting(DemoConfig(items=1, dates=1, errors=1.0)) as demo:
        assert await outcome(demo, f"{demo.site.root}/") == "200"
        place = f"{demo.site.storage}/mlhub/landcovernet/documentation.pdf"
        assert await outcome(demo, place) != "200"


async def test_every_answer_waits_for_the_latency():
    loop = asyncio.get_running_loop()
    async with visiting(DemoConfig(items=1, latency=0.03)) as demo:
        started = loop.time()
        await demo.get("/")
        assert loop.time() - started >= 0.029


async def test_requests_are_counted_by_what_they_ask_for():
    async with visiting(DemoConfig()) as demo:
        href = await demo.asset(LABELS, CHIP, "documentation")
        await demo.head_of(href)
        await demo.post({})
        await demo.get("/search")
        await demo.get("/nowhere", 404)
        counted = dict(demo.site.requests)
    assert counted == {"item": 1, "download": 1, "storage": 1, "search": 2, "unknown": 1}


async def test_leaving_ends_answers_that_are_still_waiting_and_frees_the_ports():
    async with aiohttp.ClientSession() as session:
        async with serve(DemoConfig(latency=30)) as site:
            waiting = asyncio.ensure_future(session.get(f"{site.root}/"))
            await until(lambda: site.requests["root"] > 0)
        with pytest.raises(aiohttp.ClientError):
            await waiting
    port = int(site.root.split(":")[2].split("/")[0])
    async with serve(DemoConfig(port=port)) as again:
        assert again.root == site.root


async def test_a_port_in_use_is_a_usage_error_that_names_it():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=str(port)):
            async with serve(DemoConfig(storage_port=port)):
                pass


@pytest.mark.parametrize(
    "wrong", [{"items": 0}, {"items": 10**9}, {"dates": 0}, {"errors": 2.0}, {"latency": -1.0}]
)
def test_a_size_or_share_that_cannot_be_is_a_usage_error(wrong):
    with pytest.raises(UsageError):
        DemoConfig(**wrong)


async def test_run_forever_says_where_it_is_and_ends_when_cancelled():
    said: list[str] = []
    running = asyncio.create_task(run_forever(DemoConfig(items=1), said.append))
    await until(lambda: len(said) == 3)
    root = said[0].split(" at ")[1].split()[0]
    async with aiohttp.ClientSession() as session, session.get(f"{root}/collections/{SOURCE}") as answer:
        assert answer.status == 200
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
