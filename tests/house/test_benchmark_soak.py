"""The benchmark with a long run over a bad network, in a short form."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.mark.parametrize("transport", ["fast", "aiohttp"])
def test_a_run_over_a_bad_network_loses_and_leaks_nothing(tmp_path, transport):
    words = ["--items", "400", "--errors", "0.1", "--transport", transport, "--tmp", tmp_path]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    argv = [sys.executable, ROOT / "benchmarks/soak.py", *words]
    ended = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=200, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "nothing lost, nothing leaked" in ended.stdout
    assert list(tmp_path.iterdir()) == []
