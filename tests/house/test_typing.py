"""A program that uses the public names, checked by mypy and pyright against the wheel and its `py.typed`."""

import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CALLER = """\
from typing import Any, assert_type

import mlhub_async
from mlhub_async import Asset, Client, Meter, Options, Report, Selection


def show(meter: Meter) -> None:
    print(meter.done, meter.expected)


async def main() -> int:
    options = Options(Selection(collections=("labels",)), concurrency=4)
    report = await mlhub_async.mirror("catalog.json", "data", options, progress=show, on_event=print)
    assert_type(report, Report)
    async for item in mlhub_async.mirrored("catalog.json", "data", progress=True):
        assert_type(item, dict[str, Any])
    async with Client(root_url="http://127.0.0.1") as mlhub:
        found = mlhub_async.assets(await mlhub.item("labels", "one"), keys=["labels"])
        assert_type(found, list[Asset])
    return report.exit_code


assert_type(mlhub_async.blocking.mirror("catalog.json", "data"), Report)
for item in mlhub_async.blocking.mirrored("catalog.json", "data"):
    assert_type(item, dict[str, Any])
print(mlhub_async.blocking.verify("data").ok)
"""
WRONG = "import mlhub_async\n\nmlhub_async.Options(concurrency='four')\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with the program, and an environment with the wheel, and with the packages of the tests."""
    pytest.importorskip("hatchling", reason="builds the wheel")
    folder = tmp_path_factory.mktemp("project")
    build = [sys.executable, "-m", "hatchling", "build", "-d", str(folder), "-twheel"]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=200)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    installed = next((folder / "venv").rglob("site-packages"))
    zipfile.ZipFile(next(folder.glob("*.whl"))).extractall(installed)
    (installed / "others.pth").write_text(sysconfig.get_path("purelib"))
    (folder / "caller.py").write_text(CALLER)
    (folder / "wrong.py").write_text(WRONG)
    return folder


def interpreter(project):
    return project / "venv/bin/python"


def checked_by(words, project, name):
    ended = subprocess.run(
        [*words, name], cwd=project, capture_output=True, text=True, timeout=280, check=False
    )
    return ended.returncode, ended.stdout + ended.stderr


def mypy(project):
    pytest.importorskip("mypy")
    return [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(interpreter(project))]


def pyright(project):
    if (found := shutil.which("pyright")) is None:
        pytest.skip("pyright is not installed (pip install 'pyright[nodejs]')")
    return [found, "--pythonpath", str(interpreter(project))]


@pytest.mark.skipif(sys.platform == "win32", reason="the layout of the environment is that of POSIX")
@pytest.mark.parametrize("checker", [mypy, pyright])
def test_a_typed_program_passes_and_a_wrong_argument_is_found(project, checker):
    words = checker(project)
    code, said = checked_by(words, project, "caller.py")
    assert code == 0, said
    code, said = checked_by(words, project, "wrong.py")
    assert code == 1 and "concurrency" in said
