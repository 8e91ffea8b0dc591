"""The table of selections by servers, for a few items and selections. All of it: `selection_table.py`."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("selection_table.py")
pytestmark = [
    pytest.mark.xdist_group("rustac"),
    pytest.mark.skipif(importlib.util.find_spec("rustac") is None, reason="rustac is not installed"),
]


def test_rustac_and_a_static_copy_have_what_the_oracle_has():
    words = [sys.executable, SCRIPT, "--items", "240", "--only", "antimeridian"]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.count("\n| ") > 5
