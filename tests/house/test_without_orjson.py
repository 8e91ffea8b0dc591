"""The program without orjson, which has no wheel for some interpreters: the same tests pass."""

import os
import re
import subprocess
import sys

from support.command import REPOSITORY, WITHOUT_ORJSON

CORE_TESTS = [
    "tests/runs/test_json_text.py",
    "tests/runs/test_end_to_end.py",
    "tests/runs/test_receipt.py",
    "tests/runs/test_verify.py",
    "tests/unit/test_documents.py",
    "tests/unit/test_items.py",
    "tests/unit/test_ledger_queries.py",
    "tests/unit/test_static_source.py",
    "tests/unit/test_stac_objects.py",
    "tests/unit/test_write_item.py",
    "tests/unit/test_write_tree.py",
]
WHICH = "from mlhub_async.core.json_text import codec; print(codec.dumps.__module__)"


def test_the_core_tests_pass_on_the_standard_library():
    hidden = {**os.environ, "PYTHONPATH": WITHOUT_ORJSON}
    found = subprocess.run(
        [sys.executable, "-c", WHICH], env=hidden, cwd=REPOSITORY, capture_output=True, check=True, timeout=60
    )
    assert found.stdout.strip() == b"mlhub_async.core.json_text.standard"
    words = [sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", *CORE_TESTS]
    ran = subprocess.run(
        words, env=hidden, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=280
    )
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-2000:]
    assert int(re.search(r"(\d+) passed", ran.stdout)[1]) > 200
