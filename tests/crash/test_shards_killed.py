"""The batch script in examples/ as an array of jobs at once: two of them are killed, run again and joined."""

import json
import os
import shutil
import signal
import sys
import time

import pytest

from mlhub_async.engine.placement.shards import Shard
from support.command import HANG_SECONDS, REPOSITORY
from support.mirrored import Mirrored
from support.server import When, tif
from support.stac_server import stac_item

SCRIPT = REPOSITORY / "examples/shards.sbatch"
COUNT, SHARDS, KILLED = 40, 4, (2, 3)
pytestmark = pytest.mark.skipif(sys.platform == "win32" or not shutil.which("bash"), reason="needs bash")


@pytest.fixture
def released():
    return []


@pytest.fixture
def plan(site, tmp_path, released):
    """A saved list. The last files of the shards that are to be killed do not come before that."""
    numbers = range(COUNT)
    held = {max(n for n in numbers if Shard(shard, SHARDS).has("c1", f"i{n}")) for shard in KILLED}
    lines, asked = [], set()

    def held_back(number):
        asked.add(number)
        return bool(released)

    for number in numbers:
        always = [When(lambda number=number: held_back(number))] if number in held else []
        href = site.put(f"/{number}.tif", tif(20_000, number), etag=f'"{number}"', always=always)
        lines.append(json.dumps(stac_item(f"i{number}", data=href)))
    path = tmp_path / "plan.ndjson"
    path.write_text("\n".join(lines))
    return path, lambda: asked == held


@pytest.fixture
def start(run_cli, tmp_path, plan, dest):
    """Starts one job of the array; its program writes down its process id."""
    tools = tmp_path / "tools"
    tools.mkdir()
    program = tools / "mlhub-async"
    program.write_text(f'#!/bin/sh\necho $$ > "$PID_FILE"\nexec {sys.executable} -m mlhub_async "$@"\n')
    program.chmod(0o755)

    def job(shard):
        env = {
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "PID_FILE": str(tmp_path / f"pid-{shard}"),
            "SLURM_ARRAY_TASK_ID": str(shard),
            "SLURM_ARRAY_TASK_COUNT": str(SHARDS),
            "MLHUB_SHARD_WAIT": "0",
        }
        return run_cli.start_raw("bash", SCRIPT, plan[0], dest, "--allow-private", env=env)

    return job


def wait_for(condition):
    until = time.monotonic() + HANG_SECONDS
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_four_shards_at_once_two_of_them_killed_run_again_and_joined(
    run_cli, site, plan, start, dest, tmp_path, released
):
    source, all_asked = plan
    jobs = {shard: start(shard) for shard in range(1, SHARDS + 1)}
    for shard in set(jobs) - set(KILLED):
        assert jobs[shard].finish().code == 0
    wait_for(all_asked)
    for shard in KILLED:
        os.kill(int((tmp_path / f"pid-{shard}").read_text()), signal.SIGKILL)
        assert jobs[shard].finish().code == 128 + signal.SIGKILL
    assert run_cli("merge", dest).code == 5
    released.append(True)
    before = len(site.log)
    again = [start(shard) for shard in KILLED]
    assert [one.finish().code for one in again] == [0, 0]
    assert len(site.log) - before < COUNT / 2
    assert run_cli("merge", dest).code == 0
    assert run_cli("verify", dest).code == 0
    one = tmp_path / "one"
    assert run_cli("mirror", source, one, "--allow-private").code == 0
    assert Mirrored(dest).receipt["manifest_sha256"] == Mirrored(one).receipt["manifest_sha256"]
    assert Mirrored(dest).files == Mirrored(one).files
    before = len(site.log)
    assert run_cli("mirror", source, dest, "--allow-private").code == 0
    assert len(site.log) == before
