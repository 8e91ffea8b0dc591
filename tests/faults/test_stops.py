"""Runs that are stopped or killed at any moment, and the runs after them."""

import signal
import sys

import pytest

from support.mirrored import Mirrored, asset_requests, publish, unread_bytes, wait_for
from support.server import Delay, Drip, Stall, When, tif
from support.stac_server import stac_item, static_catalog

BODY = tif(20_000)
STOP_SECONDS = 30
"""Half of the default --timeout."""
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


def test_a_second_run_on_one_dest_is_refused(run_cli, site, dest):
    items = publish(site, ["one"], always=[Stall(100)])
    url = static_catalog(site, items)
    first = run_cli.start("mirror", url, dest)
    wait_for(lambda: site.count("/one.tif"))
    ended = run_cli("mirror", url, dest)
    assert ended.code == 11 and "another run" in ended.err
    first.kill()


@posix_only
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_ends_the_run_in_time_and_the_next_one_completes_it(run_cli, site, dest, name, code):
    names = [f"i{n}" for n in range(4)]
    items = publish(site, names)
    for stalling in names[1:]:
        site.things[f"/{stalling}.tif"].faults.append(Stall(5000))
    url = static_catalog(site, items)
    running = run_cli.start("mirror", url, dest)
    wait_for(lambda: len(asset_requests(site)) == 4 and (dest / "c1/i0/data.tif").exists())
    running.process.send_signal(getattr(signal, name))
    ended = running.finish(STOP_SECONDS)
    assert ended.code == code
    assert Mirrored(dest).receipt["exit_code"] == code
    assert run_cli("mirror", url, dest).code == 0
    Mirrored(dest).check(0)
    assert site.count("/i0.tif") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="the system does not tell what the program has read")
def test_the_run_after_a_signal_resumes_at_the_last_received_byte(run_cli, site, dest):
    body = tif(900_000)
    site.put("/big.tif", body, etag='"1"', faults=[Stall(300_000)])
    url = static_catalog(site, [stac_item("big", data=site.url("/big.tif"))])
    replies = []
    site.answered = lambda seen, reply: replies.append((seen, reply))
    running = run_cli.start("mirror", url, dest)
    wait_for(lambda: site.count("/big.tif") and replies[-1][1].stalled and not unread_bytes(replies[-1][0]))
    running.process.send_signal(signal.SIGTERM)
    assert running.finish(STOP_SECONDS).code == 143
    assert run_cli("mirror", url, dest).code == 0
    assert site.requests["/big.tif"][-1].headers["range"] == "bytes=300000-"
    assert Mirrored(dest).bytes_of("big") == body


@posix_only
def test_the_run_after_kill_nine_completes_and_requests_no_finished_file(run_cli, site, dest):
    names = [f"i{n}" for n in range(40)]
    allowed = 0
    items = publish(site, names, always=[Delay(0.02), When(lambda: len(asset_requests(site)) <= allowed)])
    url = static_catalog(site, items)
    for _ in range(3):
        running = run_cli.start("mirror", url, dest, "-j", 2)
        wanted = len(asset_requests(site)) + 6
        allowed = wanted + 4
        wait_for(lambda wanted=wanted: len(asset_requests(site)) >= wanted)
        running.kill()
        whole = {n: tif(20_000, s) for s, n in enumerate(names)}
        assert all(body == whole[name.split("/")[1]] for name, body in Mirrored(dest).files.items())
    done = [name.split("/")[1] for name in Mirrored(dest).files]
    before = {name: site.count(f"/{name}.tif") for name in done}
    allowed = sys.maxsize
    assert run_cli("mirror", url, dest).code == 0
    mirror = Mirrored(dest)
    mirror.check(0)
    assert mirror.files == {f"c1/{n}/data.tif": tif(20_000, s) for s, n in enumerate(names)}
    # A kill between rename and ledger: at most the files in flight at each kill are requested again.
    assert sum(site.count(f"/{name}.tif") - count for name, count in before.items()) <= 6


@posix_only
def test_a_large_body_is_resumed_by_the_run_after_kill_nine(run_cli, site, dest):
    body = tif(4_000_000)
    site.put("/big.tif", body, etag='"1"', faults=[(Drip(0.01, 50_000), Stall(3_000_000))])
    url = static_catalog(site, [stac_item("big", data=site.url("/big.tif"))])
    running = run_cli.start("mirror", url, dest)
    wait_for(lambda: sum(p.stat().st_size for p in Mirrored(dest).partial) > 1_500_000)
    running.kill()
    assert run_cli("mirror", url, dest).code == 0
    last = site.requests["/big.tif"][-1]
    assert int(last.headers["range"].removeprefix("bytes=").removesuffix("-")) >= 1_000_000
    assert last.headers["if-range"] == '"1"'
    assert Mirrored(dest).bytes_of("big") == body
    Mirrored(dest).check(0)
