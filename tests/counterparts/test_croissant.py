"""croissant.json as mlcroissant, the validator of MLCommons, reads it: digests are checked, records load.

python3 -m venv croissant && croissant/bin/pip install mlcroissant
MLCROISSANT=croissant/bin/python python -m pytest tests/counterparts/test_croissant.py
"""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

from support.mirrored import Mirrored

READ = """
import json, sys
import mlcroissant
dataset = mlcroissant.Dataset(sys.argv[1])
rows = [{name.split("/")[-1]: value.decode() if isinstance(value, bytes) else value
         for name, value in row.items()} for row in dataset.records("assets")]
files = [[one.id, one.sha256, one.content_size] for one in dataset.metadata.distribution]
about = dataset.metadata
print(json.dumps({"errors": list(about.ctx.issues.errors), "files": files, "rows": rows,
                  "licence": about.license, "version": about.ctx.conforms_to.value}, default=str))
"""


def interpreter():
    """A Python that has mlcroissant, which needs too many packages for the environment of the tests."""
    if found := os.environ.get("MLCROISSANT"):
        return found
    if importlib.util.find_spec("mlcroissant") is None:
        pytest.skip("mlcroissant is not here: see the first lines of this file")
    return sys.executable


@pytest.fixture
def mirrored(run_cli, dest):
    assert run_cli("demo", dest, "--items", 2, "--dates", 2).code == 0
    root = json.loads((dest / "catalog.json").read_text())
    done = run_cli("mirror", dest / "catalog.json", dest.parent / "copy", "--croissant", "-q")
    assert root["type"] == "Catalog" and done.code == 0, done.err
    return Mirrored(dest.parent / "copy")


def read(mirrored):
    command = [interpreter(), "-c", READ, str(mirrored.dest / "croissant.json")]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=200)


def test_it_is_valid_and_its_records_load_with_checked_digests(mirrored):
    done = read(mirrored)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["errors"] == [] and found["version"].endswith("/1.1")
    assert len(found["rows"]) == mirrored.receipt["assets"]["selected"]
    digests = {path: sha256 for path, sha256, _ in found["files"]}
    assert all(row["sha256"] == digests[row["path"]] for row in found["rows"])
    assert {row["collection"] for row in found["rows"]} == {
        "ref_landcovernet_v1_labels",
        "ref_landcovernet_v1_source",
    }
    assert any("Water" in row["classes"] for row in found["rows"])
    assert "CC-BY-4.0" in str(found["licence"])


def test_a_changed_table_is_refused(mirrored):
    with (mirrored.dest / "assets.csv").open("ab") as file:
        file.write(b"c,i,,,k,p,1,x\r\n")
    done = read(mirrored)
    assert done.returncode != 0 and "not identical" in done.stderr
