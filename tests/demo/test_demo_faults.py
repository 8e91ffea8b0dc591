"""The embedded sample catalogue: injected faults, start and stop."""

import asyncio
import socket
from collections.abc import Callable

import aiohttp
import pytest

from mlhub_async.core.errors import UsageError
from mlhub_async.demo import DemoConfig, run_forever, serve
from support.demo_client import CHIP, LABELS, SOURCE, DemoClient, connected


async def outcome(demo: DemoClient, url: str, method: str = "GET") -> str:
    """The result of one request: a status, or how the connection failed. aiohttp never repeats a POST."""
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
    """Run the event loop until the condition holds."""
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(0)
    pytest.fail("the condition never held")


async def outcomes(config: DemoConfig, tries: int) -> list[str]:
    async with connected(config) as demo:
        path = f"{demo.site.root}/search?key={demo.site.key}"
        found = [await outcome(demo, path, "POST") for _ in range(tries)]
        assert demo.site.requests["fault"] == len([each for each in found if each != "200"])
        assert demo.site.requests["search"] == tries
        return found


async def test_all_kinds_of_faults_occur_and_the_same_seed_gives_the_same_faults():
    config = DemoConfig(items=1, dates=1, errors=0.5, seed=3)
    found = await outcomes(config, 60)
    assert set(found) == {"200", "503 0", "503 1", "reset", "cut"}
    assert found == await outcomes(config, 60)
    assert found != await outcomes(DemoConfig(items=1, dates=1, errors=0.5, seed=4), 60)


async def test_the_fourth_try_always_succeeds():
    found = await outcomes(DemoConfig(items=1, dates=1, errors=1.0), 12)
    assert [each == "200" for each in found] == [False, False, False, True] * 3


async def test_faults_hit_assets_and_spare_the_landing_page():
    async with connected(DemoConfig(items=1, dates=1, errors=1.0)) as demo:
        assert await outcome(demo, f"{demo.site.root}/") == "200"
        place = f"{demo.site.storage}/mlhub/landcovernet/documentation.pdf"
        assert await outcome(demo, place) != "200"


async def test_every_response_is_delayed_by_the_latency():
    loop = asyncio.get_running_loop()
    async with connected(DemoConfig(items=1, latency=0.03)) as demo:
        started = loop.time()
        await demo.get("/")
        assert loop.time() - started >= 0.029


async def test_requests_are_counted_by_kind():
    async with connected(DemoConfig()) as demo:
        href = await demo.asset_href(LABELS, CHIP, "documentation")
        await demo.fetch(href)
        await demo.post({})
        await demo.get("/search")
        await demo.get("/nowhere", 404)
        counted = dict(demo.site.requests)
    assert counted == {"item": 1, "download": 1, "storage": 1, "search": 2, "unknown": 1}


async def test_the_end_drops_open_requests_and_frees_the_ports():
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
def test_an_invalid_configuration_is_a_usage_error(wrong):
    with pytest.raises(UsageError):
        DemoConfig(**wrong)


async def test_run_forever_announces_its_address_and_ends_when_cancelled():
    announced: list[str] = []
    running = asyncio.create_task(run_forever(DemoConfig(items=1), announced.append))
    await until(lambda: len(announced) == 8)
    root = announced[0].split(" at ")[1].split()[0]
    async with aiohttp.ClientSession() as session, session.get(f"{root}/collections/{SOURCE}") as answer:
        assert answer.status == 200
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
