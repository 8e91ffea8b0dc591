"""Hosts that cannot be reached: no route, no resolver, dead addresses beside a live one, no more ports.

Routes and port ranges are those of a network namespace that the test owns, where the system lets it have one.
"""

import json
import shutil
import socket
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from support.engine import run
from support.mirrored import Mirrored, publish
from support.server import tif
from support.stac_server import stac_item

REAL = socket.getaddrinfo
ENCLOSED = ["unshare", "--map-root-user", "--net", "sh", "-c"]
TOGETHER = """
import json, pathlib, sys
sys.path.insert(0, sys.argv[1])
import subprocess
from support.mirrored import publish
from support.server import Background, Delay
with Background() as sites:
    site = sites.site()
    items = publish(site, [f"i{n}" for n in range(60)], always=[Delay(0.03)])
    pathlib.Path(sys.argv[2]).write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    code = subprocess.call([sys.executable, "-m", "mlhub_async", "mirror", *sys.argv[2:]])
    print(code, len(site.log), site.peak)
"""


@pytest.fixture(scope="module")
def enclosed():
    """`enclosed("ip route …")`: the words that run a program behind such routes."""
    if sys.platform != "linux" or not (shutil.which("unshare") and shutil.which("ip")):
        pytest.skip("needs unshare and ip")
    if subprocess.run([*ENCLOSED, "ip link set lo up"], check=False, capture_output=True).returncode:
        pytest.skip("no right to make a network namespace")
    return lambda commands: [*ENCLOSED, f'set -e; ip link set lo up; {commands}; exec "$@"', "sh"]


def items_file(path, items):
    path.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    return path


ROUTES = {
    "none": ("true", "ENETUNREACH"),
    "unreachable": ("ip route add unreachable 192.0.2.1", "EHOSTUNREACH"),
    "prohibit": ("ip route add prohibit 192.0.2.1", "EACCES"),
    "blackhole": ("ip route add blackhole 192.0.2.1", "EINVAL"),
}


@pytest.mark.parametrize("kind", ROUTES)
def test_no_route_to_a_host_is_a_matter_of_the_network_that_may_pass(run_cli, enclosed, tmp_path, dest, kind):
    commands, code = ROUTES[kind]
    items = [
        stac_item("one", data="http://192.0.2.1/one.tif"),
        stac_item("two", data="https://192.0.2.1/2.tif"),
    ]
    path = items_file(tmp_path / "items.json", items)
    ended = run_cli("mirror", path, dest, "--allow-private", "-R", 1, "--json", under=enclosed(commands))
    assert ended.code == 5, ended.err
    mirror = Mirrored(dest)
    mirror.check(5)
    assert set(mirror.failed.values()) == {"unreachable"}
    assert all(code in row["error"]["message"] and row["error"]["retryable"] for row in mirror.errors)
    assert "permission" not in ended.err.lower()
    assert ended.events[-1]["event"] == "summary"


def test_a_resolver_that_cannot_be_asked_is_a_matter_of_the_network_too(run_cli, enclosed, tmp_path, dest):
    path = items_file(tmp_path / "items.json", [stac_item("one", data="http://data.example/one.tif")])
    ended = run_cli("mirror", path, dest, "-R", 1, under=enclosed("true"))
    assert ended.code == 5, ended.err
    [row] = Mirrored(dest).errors
    assert row["error"]["class"] == "dns" and "EAI_AGAIN" in row["error"]["message"]


@pytest.fixture
async def site(troubled):
    return await troubled.site()


@pytest.fixture
def named(monkeypatch):
    """What the system's resolver answers for these names: several addresses each."""
    names = {}

    def looked_up(host, port, *more, **options):
        found = names.get(host, [host])
        return [entry for address in found for entry in REAL(address, port, *more, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    return names


@contextmanager
def silent(address, port):
    """A port that takes no connection and refuses none, as behind a firewall that drops what comes."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket(family))
        try:
            listener.bind((address, port))
        except OSError:
            pytest.skip(f"no {address} here")
        listener.listen(0)
        for _ in range(8):
            one = stack.enter_context(socket.socket(family))
            one.settimeout(0.02)
            try:
                one.connect((address, port))
            except TimeoutError:
                break
        else:
            pytest.skip("this system takes more connections than it was told to")
        yield


@pytest.mark.skipif(sys.platform != "linux", reason="a full queue of connections is silent on Linux")
@pytest.mark.parametrize("transport", ["fast", "aiohttp"])
@pytest.mark.parametrize("dead", ["127.0.0.2", "::1"], ids=["IPv4", "IPv6"])
async def test_an_address_that_never_answers_costs_no_more_than_a_moment(site, named, dest, dead, transport):
    named["both.test"] = [dead, "127.0.0.1"]
    items = publish(site, ["one"])
    items[0]["assets"]["data"]["href"] = f"http://both.test:{site.port}/one.tif"
    with silent(dead, site.port):
        report = await run(items, dest, transport=transport, connect_timeout=30)
    assert report.exit_code == 0 and report.seconds < 10
    assert Mirrored(dest).bytes_of("one") == tif(20_000) and site.count("/one.tif") == 1


@pytest.mark.parametrize("transport", ["fast", "aiohttp"])
async def test_of_several_addresses_one_that_is_dead_is_passed_over(site, named, dest, transport):
    named["both.test"] = ["127.0.0.3", "127.0.0.1"]
    items = publish(site, ["one"])
    items[0]["assets"]["data"]["href"] = f"http://both.test:{site.port}/one.tif"
    report = await run(items, dest, transport=transport)
    assert report.exit_code == 0 and site.count("/one.tif") == 1 and report.failures == 0


def test_where_ports_run_out_a_run_goes_on_with_fewer_connections(run_cli, enclosed, tmp_path, dest):
    few = enclosed("echo 50000 50009 > /proc/sys/net/ipv4/ip_local_port_range")
    tests = Path(__file__).parents[1]
    words = [*few, sys.executable, "-c", TOGETHER, tests, tmp_path / "items.json", dest, "-j", 40]
    ended = run_cli.start_raw(*words, "--allow-private", "--json").finish()
    *events, last = ended.out.splitlines()
    code, requests, peak = map(int, last.split())
    assert code == 0, ended.err
    assert requests == 60 and peak <= 10
    told = [json.loads(event).get("error") for event in events]
    assert {error["class"] for error in told if error} == {"local-shortage"}
    Mirrored(dest).check(0)
    assert len(Mirrored(dest).files) == 60
