"""Runs with worker processes together with other options, sources and callers: what one process makes."""

import io
import json
import os
import signal
import sys
import tarfile

import pytest

from mlhub_async import Options, UsageError, mirror
from mlhub_async.engine.mirror import merge
from support.archives import catalogue, zipped
from support.engine import run
from support.kill_loop import children_of
from support.mirrored import Mirrored, asset_requests, publish, wait_for
from support.server import When
from support.stac_server import Api, stac_collection, static_catalog

COUNT = 40
PROVEN = ("assets", "bytes", "manifest_sha256", "listing")


def tar_gz(files):
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for name, body in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))
    return target.getvalue()


@pytest.fixture
def both(run_cli, tmp_path):
    """Runs the same command with one process and with two, twice each, into relative DESTs.

    Both have to make the same mirror, in which `verify` finds nothing, and their second runs to ask for
    nothing. `only_assets`: nothing else is written, beside documents.
    """

    def compare(site, source, *words, fields=PROVEN, only_assets=True):
        made = []
        for processes in (1, 2):
            dest = f"made-by-{processes}"
            command = ("mirror", source, dest, *words, "--processes", processes)
            ended = run_cli(*command)
            assert ended.code == 0, ended.err
            asked = len(asset_requests(site))
            again = run_cli(*command)
            assert again.code == 0, again.err
            assert len(asset_requests(site)) == asked, "the second run asked for assets"
            assert run_cli("verify", dest).code == 0
            found = Mirrored(run_cli.home / dest)
            if only_assets:
                found.check(0)
            assert found.partial == []
            made.append(found)
        for name in fields:
            assert made[0].receipt[name] == made[1].receipt[name], name
        if only_assets:
            assert made[0].files == made[1].files
        return made[1]

    return compare


def items_of(site, count=COUNT, **about):
    return publish(site, [f"i{n}" for n in range(count)], etag='"1"', **about)


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
@pytest.mark.parametrize("opening", [(), ("--open-archives",)], ids=["", "open-archives"])
def test_members_of_an_archive(both, site, kind, opening):
    make = zipped if kind == "zip" else tar_gz
    url = site.put(f"/a.{kind}", make(catalogue(12)), etag='"1"')
    assert len(both(site, url, *opening).files) == 24


def test_a_listing_that_is_split(both, site):
    given = items_of(site, 60)
    for n, item in enumerate(given):
        item["properties"]["datetime"] = f"2020-{n % 12 + 1:02}-01T00:00:00Z"
    extent = {
        "spatial": {"bbox": [[-180, -90, 180, 90]]},
        "temporal": {"interval": [["2020-01-01T00:00:00Z", "2020-12-31T00:00:00Z"]]},
    }
    api = Api(site, given, collections=[stac_collection("c1", extent=extent)])
    made = both(site, api.url, "--split", 3, fields=("assets", "bytes", "manifest_sha256"))
    assert len(made.files) == 60


LIMITS = [("--bwlimit", "4M"), ("--tpslimit", 200), ("--max-per-host", 3), ("--max-transfer", "2M")]


@pytest.mark.parametrize("limit", LIMITS, ids=lambda one: one[0])
def test_limits_that_let_all_through(both, site, limit):
    assert len(both(site, static_catalog(site, items_of(site)), *limit).files) == COUNT


DESCRIBED = [
    ("--index",),
    ("--croissant",),
    ("--ro-crate",),
    ("--asset-hrefs", "absolute"),
    ("--durability", "full"),
]


@pytest.mark.parametrize("words", DESCRIBED, ids=" ".join)
def test_what_is_written_at_the_end(both, site, words):
    if words == ("--index",):
        pytest.importorskip("pyarrow", reason="pip install pyarrow")
    both(site, static_catalog(site, items_of(site)), *words, only_assets=False)


def test_what_has_left_the_catalogue_is_pruned(run_cli, site, dest):
    given = items_of(site)
    static_catalog(site, given)
    assert run_cli("mirror", static_catalog(site, given), dest, "--processes", 2).code == 0
    url = static_catalog(site, given[: COUNT - 3])
    ended = run_cli("mirror", url, dest, "--processes", 2, "--prune")
    assert ended.code == 0, ended.err
    Mirrored(dest).check(0)
    assert len(Mirrored(dest).files) == COUNT - 3
    assert Mirrored(dest).receipt["pruned"]["assets"] == 3


def test_bytes_in_total_end_all_processes_and_the_next_run_completes(run_cli, site, dest):
    url = static_catalog(site, items_of(site))
    ended = run_cli("mirror", url, dest, "--processes", 2, "--max-transfer", 300_000)
    assert ended.code == 8 and len(Mirrored(dest).files) <= 15
    assert run_cli("mirror", url, dest, "--processes", 2).code == 0
    assert len(Mirrored(dest).files) == COUNT


async def test_a_shard_is_made_by_processes_of_its_own(troubled, tmp_path):
    site = await troubled.site()
    given = items_of(site)
    whole = await run(given, tmp_path / "one")
    dest = tmp_path / "several"
    reports = [await run(given, dest, shard=f"{number}/2", processes=2) for number in (1, 2)]
    assert [report.exit_code for report in reports] == [0, 0]
    assert sum(report.selected for report in reports) == COUNT
    assert not (dest / ".mlhub/partial").exists(), "workers of a shard write in the state of the shard"
    report = await merge(dest)
    assert (report.exit_code, report.manifest_sha256) == (0, whole.manifest_sha256)


def test_a_bucket_is_refused_before_any_request(run_cli, site):
    url = static_catalog(site, items_of(site, 1))
    ended = run_cli("mirror", url, "s3://bucket/copy", "--endpoint-url", site.origin, "--processes", 2)
    assert ended.code == 2 and ended.err.count("\n") == 1
    assert "s3://" in ended.err and "--processes" in ended.err
    assert site.log == []


async def test_a_client_and_processes_exclude_each_other(dest):
    for more in ({"processes": 2}, {"scheduler": "tcp://127.0.0.1:1"}):
        with pytest.raises(UsageError, match="executor"):
            await mirror([], dest, Options(**more), executor=object())
    assert not dest.exists()


UNGUARDED = """
import asyncio, json, sys
import mlhub_async
options = mlhub_async.Options(processes=2, allow_private=True)
{call}
print(json.dumps([report.exit_code, report.fetched]))
"""
CALLS = {
    "blocking": "report = mlhub_async.blocking.mirror(sys.argv[1], 'copy', options=options)",
    "asyncio": "report = asyncio.run(mlhub_async.mirror(sys.argv[1], 'copy', options=options))",
    "a loop that runs already, as in a notebook": (
        "async def cell():\n"
        "    return mlhub_async.blocking.mirror(sys.argv[1], 'copy', options=options)\n"
        "report = asyncio.run(cell())"
    ),
    "await in a notebook": (
        "loop = asyncio.new_event_loop()\n"
        "report = loop.run_until_complete(mlhub_async.mirror(sys.argv[1], 'copy', options=options))\n"
        "loop.close()"
    ),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("how", ["file", "stdin"])
def test_a_script_without_a_guard_is_run_once(run_cli, site, tmp_path, call, how):
    """The workers import nothing of the script: it needs no `if __name__ == "__main__"`."""
    url = static_catalog(site, items_of(site))
    script = tmp_path / "script.py"
    script.write_text(UNGUARDED.format(call=CALLS[call]))
    if how == "file":
        ended = run_cli.start_raw(sys.executable, script, url).finish()
    else:
        ended = run_cli.start_raw("sh", "-c", f'exec {sys.executable} - "$1" < "$0"', script, url).finish()
    assert (ended.code, ended.err) == (0, "")
    assert json.loads(ended.out) == [0, COUNT]
    Mirrored(run_cli.home / "copy").check(0)


@pytest.mark.skipif(sys.platform != "linux", reason="finds the workers in /proc")
def test_ctrl_c_ends_a_run_with_a_worker_that_is_stopped(run_cli, site, dest):
    """SIGSTOP: such a worker can do nothing, not even end."""
    go_on = []
    given = items_of(site, COUNT, always=[When(lambda: bool(go_on))])
    running = run_cli.start("mirror", static_catalog(site, given), dest, "--processes", 2, "-j", 4)
    wait_for(lambda: len(asset_requests(site)) == 8)
    workers = children_of(running.process.pid)
    assert len(workers) == 2
    os.kill(workers[0], signal.SIGSTOP)
    running.interrupt()
    assert running.finish(60).code == 130
    for worker in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)
    go_on.append(True)
    assert run_cli("mirror", static_catalog(site, given), dest, "--processes", 2).code == 0
    Mirrored(dest).check(0)
