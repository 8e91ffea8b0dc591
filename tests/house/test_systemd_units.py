"""The units in examples/systemd: systemd finds them in order, and their commands are ours."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from mlhub_async.cli import main_group

UNITS = Path(__file__).parents[2] / "examples/systemd"
SERVICES = sorted(UNITS.glob("*.service"))


def command(unit):
    text = unit.read_text().replace("\\\n", " ")
    return shlex.split(re.search(r"^ExecStart=(.*)$", text, re.MULTILINE)[1])


@pytest.mark.parametrize("unit", SERVICES, ids=lambda path: path.name)
def test_the_command_of_a_service_is_one_of_this_program(unit):
    program, name, *words = command(unit)
    assert program.endswith("/mlhub-async")
    assert main_group.commands[name].make_context(name, words).params["metrics"].endswith(".prom")


@pytest.mark.parametrize("unit", SERVICES, ids=lambda path: path.name)
def test_the_directories_it_writes_to_are_writable_for_it(unit):
    _, _, source, dest, *rest = command(unit)
    writable = re.search(r"^ReadWritePaths=(.*)$", unit.read_text(), re.MULTILINE)[1].split()
    assert dest in writable and str(Path(rest[rest.index("--metrics") + 1]).parent) in writable
    assert click.unstyle(source).startswith("https://")


def test_systemd_finds_them_in_order(tmp_path):
    if (analyze := shutil.which("systemd-analyze")) is None:
        pytest.skip("systemd is not here")
    program = shutil.which("true")
    for unit in UNITS.iterdir():
        text = (
            unit.read_text().replace("/usr/local/bin/mlhub-async", program).replace("User=mlhub", "User=root")
        )
        (tmp_path / unit.name).write_text(text)
    names = [str(tmp_path / unit.name) for unit in UNITS.iterdir()]
    ran = subprocess.run(
        [analyze, "verify", "--man=no", "--recursive-errors=no", *names],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    said = [line for line in (ran.stdout + ran.stderr).splitlines() if "mlhub" in line]
    assert said == [], ran.stderr
    if "Failed to" in ran.stderr and ran.returncode:
        pytest.skip(f"systemd-analyze does not work here: {ran.stderr.splitlines()[0]}")
    assert ran.returncode == 0, ran.stderr
