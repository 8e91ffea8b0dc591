"""The benchmark that cuts a download, with a small file."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


def test_after_cuts_and_kills_the_file_is_whole_and_no_cut_costs_more_than_a_block(tmp_path):
    argv = [sys.executable, ROOT / "benchmarks/cuts.py", "--size", "24M", "--cuts", "4", "--tmp", tmp_path]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    ended = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=200, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "cut             4 times, 2 of them by SIGKILL" in ended.stdout
    assert "SHA-256         equal" in ended.stdout
    assert list(tmp_path.iterdir()) == []
