"""The commands in docs/shards.md as they stand there; `sbatch` is a script that runs everything at once."""

import os
import re
import shutil
import sys

import pytest

from support.command import REPOSITORY
from support.mirrored import Mirrored
from support.server import tif
from support.stac_server import stac_item, static_catalog

RECIPES = re.findall(r"```sh\n(.*?)```", (REPOSITORY / "docs/shards.md").read_text(), re.DOTALL)
SBATCH = """#!/bin/bash
last=1 words=()
while [ $# -gt 0 ]; do
  case $1 in
    --array=1-*) last=${1#--array=1-} ;;
    --wrap) words=(bash -c "$2"); shift ;;
    --*) ;;
    *) words+=("$1") ;;
  esac
  shift
done
for number in $(seq "$last"); do
  SLURM_ARRAY_TASK_ID=$number SLURM_ARRAY_TASK_COUNT=$last "${words[@]}" >&2 || exit
done
echo 17
"""
pytestmark = pytest.mark.skipif(sys.platform == "win32" or not shutil.which("bash"), reason="needs bash")


@pytest.fixture
def shell(run_cli, site, tmp_path):
    """Runs a recipe in a folder where its names mean what they should."""
    tools = tmp_path / "tools"
    tools.mkdir()
    programs = {"mlhub-async": f'#!/bin/sh\nexec {sys.executable} -m mlhub_async "$@"\n', "sbatch": SBATCH}
    for name, text in programs.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    (run_cli.home / "examples").symlink_to(REPOSITORY / "examples")
    items = [stac_item(f"i{n}", data=site.put(f"/{n}.tif", tif(3_000, n), etag=f'"{n}"')) for n in range(12)]
    url = static_catalog(site, items)

    def run(recipe, **env):
        path = f"{tools}{os.pathsep}{os.environ['PATH']}"
        env = {"PATH": path, "SOURCE": url, "MLHUB_ALLOW_PRIVATE": "1", **env}
        ended = run_cli.start_raw("bash", "-ec", recipe, env=env).finish()
        assert ended.code == 0, ended.err

    return run


def test_the_recipes_make_whole_mirrors(shell, run_cli):
    data = run_cli.home / "data"
    by_hand, slurm, kubernetes = RECIPES
    shell(by_hand)
    made = Mirrored(data)
    made.check(0)
    whole, files = made.receipt["manifest_sha256"], made.files
    assert len(files) == 12
    shutil.rmtree(data)
    shell(slurm)
    assert made.receipt["manifest_sha256"] == whole and made.files == files
    shutil.rmtree(data)
    for index in range(4):
        shell(kubernetes, JOB_COMPLETION_INDEX=str(index))
    assert run_cli("merge", data).code == 0
    assert made.receipt["manifest_sha256"] == whole
