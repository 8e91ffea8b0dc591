"""The notebook and the script in examples/ run as they are, without the cells that need matplotlib."""

import ast
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTEBOOK = EXAMPLES / "landcovernet.ipynb"


def cells():
    """The code cells of the notebook."""
    found = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    return [cell for cell in found if cell["cell_type"] == "code"]


async def run_cell(source, names):
    """Runs a cell as Jupyter does: `await` and `async for` are allowed at its top level."""
    result = eval(compile(source, str(NOTEBOOK), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
    if inspect.isawaitable(result):
        await result


async def test_the_notebook_runs_from_top_to_bottom(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    try:
        for cell in cells():
            if "plot" not in cell["metadata"].get("tags", ()):
                await run_cell("".join(cell["source"]), names)
    finally:
        await names["stack"].aclose()
    output = capsys.readouterr().out
    assert "225 files fetched" in output
    assert "0 fetched, 225 already there" in output
    assert "files as promised" in output
    assert names["site"].leaks == []
    assert len(names["chips"]) == 9


def test_the_stored_output_of_the_notebook_is_up_to_date():
    stored = ["".join(out.get("text", "")) for cell in cells() for out in cell["outputs"]]
    assert any("225 files fetched" in text for text in stored)
    assert any("image/png" in out.get("data", {}) for cell in cells() for out in cell["outputs"])
    assert not any(out["output_type"] == "error" for cell in cells() for out in cell["outputs"])


def run_script(folder, *words):
    """Runs the script in a folder, without the environment of this process."""
    known = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "TEMP", "TMP") if name in os.environ}
    clean = {**known, "PYTHONPATH": str(EXAMPLES.parent), "HOME": str(folder)}
    command = [sys.executable, str(EXAMPLES / "mirror_dataset.py"), *words]
    return subprocess.run(
        command, cwd=folder, env=clean, capture_output=True, text=True, timeout=200, check=False
    )


def test_the_script_mirrors_the_sample_and_then_finds_nothing_to_do(tmp_path):
    first = run_script(tmp_path)
    assert (first.returncode, first.stderr) == (0, "")
    assert "270 fetched, 0 there already, 0 failed" in first.stdout
    assert "0 fetched, 270 there already, 0 failed" in run_script(tmp_path).stdout


def test_the_script_names_a_source_that_is_not_there_without_a_traceback(tmp_path):
    done = run_script(tmp_path, "nowhere.json", "data")
    assert done.returncode == 3
    assert "nowhere.json" in done.stderr
    assert "Traceback" not in done.stderr
