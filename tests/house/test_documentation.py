"""README.md and docs/: every option, exit code and link in them is right, and the commands run as written."""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

from mlhub_async.cli import main_group
from mlhub_async.cli.app import SETTINGS
from mlhub_async.core import errors
from support.mirrored import Mirrored

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
PAGES = [README, *sorted(DOCS.glob("*.md")), ROOT / "benchmarks/README.md", ROOT / "mlhub_async/README.md"]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
GUARD = "MLHUB_README_COMMANDS"
"""Set where the commands of the README run: there they are not run again."""


def blocks(path: Path, language: str) -> list[str]:
    return [text for name, text in FENCED.findall(path.read_text("utf-8")) if name == language]


def shell_lines(path: Path) -> list[str]:
    return [line for block in blocks(path, "sh") for line in block.splitlines() if line]


def program_lines(path: Path) -> list[list[str]]:
    """The arguments of every `mlhub-async` command in the shell blocks of a page."""
    return [
        found[1:] for block in blocks(path, "sh") for found in commands(block) if found[0] == "mlhub-async"
    ]


def commands(text: str) -> list[list[str]]:
    """The words of each simple command of a script, without what redirects its output."""
    reader = shlex.shlex(re.sub(r"(?m)\s#.*$", "", text), posix=True, punctuation_chars="();<>|&\n")
    reader.whitespace, reader.commenters, reader.whitespace_split = " \t", "", True
    found: list[list[str]] = [[]]
    for word in reader:
        if set(word) <= set("();<>|&\n"):
            found.append([])
        else:
            found[-1].append(word)
    return [words for words in found if words]


def options_of(command: click.Command) -> list[str]:
    found = [option for option in command.params if isinstance(option, click.Option)]
    return [name for option in found for name in (*option.opts, *option.secondary_opts)]


@pytest.mark.parametrize("command", main_group.commands)
def test_every_command_and_option_is_in_the_reference(command):
    text = (DOCS / "cli.md").read_text("utf-8")
    assert f"`{command}" in text
    missing = [name for name in options_of(main_group.commands[command]) if not re.search(rf"`{name}`", text)]
    assert missing == []


def test_the_reference_has_no_option_that_does_not_exist():
    known = {name for command in main_group.commands.values() for name in options_of(command)}
    documented = {
        name for path in PAGES[:-2] for name in re.findall(r"`(--[a-z][a-z-]+)[` ]", path.read_text("utf-8"))
    }
    assert documented - known - {"--version", "--help"} == set()


def reference_row(option: click.Option) -> str:
    """The row of the reference for an option, "" if there is none."""
    rows = (line for line in (DOCS / "cli.md").read_text("utf-8").splitlines() if line.startswith("|"))
    return next((row for row in rows if f"`{option.opts[-1]}`" in row), "")


def test_choices_and_defaults_of_options_are_in_the_reference():
    for command in main_group.commands.values():
        for option in (one for one in command.params if isinstance(one, click.Option)):
            row = reference_row(option)
            if isinstance(option.type, click.Choice):
                assert all(f"`{choice.lower()}`" in row for choice in option.type.choices), option.opts
            if default := re.search(r"\[default: ([^\],]+)", option.help or ""):
                assert default[1] in row or "(default)" in row, option.opts


def exit_codes() -> set[int]:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    of_errors = {kind.exit_code for kind in kinds if issubclass(kind, errors.MlhubError)}
    return of_errors | {0, 1, 6, 129, 130, 143}


@pytest.mark.parametrize("path", [README, DOCS / "exit-codes.md"], ids=lambda path: path.name)
def test_every_exit_code_is_documented(path):
    table = [line for line in path.read_text("utf-8").splitlines() if re.match(r"\| [0-9, ]+ \|", line)]
    documented = {int(code) for line in table for code in re.findall(r"\d+", line.split("|")[1])}
    assert documented - {141} == exit_codes()


def anchors(text: str) -> set[str]:
    """The anchors of the headings of a page, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", FENCED.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_relative_link_leads_somewhere(path):
    text = FENCED.sub("", path.read_text("utf-8"))
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'src="([^"]+)"', text)
    for target in targets:
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        found = path.parent / name if name else path
        assert found.exists(), target
        assert not anchor or anchor in anchors(found.read_text("utf-8")), target


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_command_in_a_page_is_parsed(path):
    program = click.Context(main_group, **SETTINGS)  # a command keeps the -h that its first context gave it
    for name, *words in program_lines(path):
        if name == "--version":
            continue
        main_group.commands[name].make_context(name, words, parent=program).close()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_python_block_in_a_page_compiles(path):
    for text in blocks(path, "python"):
        compile(text, str(path), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_every_path_in_the_page_about_the_design_exists():
    text = (ROOT / "mlhub_async/README.md").read_text("utf-8")
    for name in re.findall(r"`([a-z_]+(?:/[a-z_.]+)+)/?`", text):
        path = (ROOT if name.startswith("tests/") else ROOT / "mlhub_async") / name
        assert path.exists() or path.with_suffix(".py").exists(), name


def test_every_script_named_on_the_page_about_benchmarks_exists():
    names = re.findall(r"python (benchmarks/\w+\.py)", (ROOT / "benchmarks/README.md").read_text("utf-8"))
    assert names and all((ROOT / name).is_file() for name in names)


def test_every_page_of_the_documentation_is_in_its_index():
    linked = re.findall(r"\]\(([\w-]+\.md)\)", (DOCS / "README.md").read_text("utf-8"))
    assert set(linked) == {path.name for path in DOCS.glob("*.md")} - {"README.md"}


def test_every_page_is_in_the_navigation_of_the_site():
    named = set(
        re.findall(r"([\w-]+\.md)\b", (DOCS / "mkdocs.yml").read_text("utf-8").partition("\nnav:")[2])
    )
    assert named - {"api.md", "help.md"} == {path.name for path in DOCS.glob("*.md")}


def test_the_page_about_datasets_is_that_of_the_record():
    command = [sys.executable, str(DOCS / "site/datasets.py")]
    written = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert (DOCS / "datasets.md").read_text("utf-8") == written, (
        "write it again: python docs/site/datasets.py > docs/datasets.md"
    )


def test_every_class_of_failure_in_the_page_about_symptoms_exists():
    text = (DOCS / "troubleshooting.md").read_text("utf-8")
    named = {name for row in re.findall(r"class (`.*?) \|", text) for name in re.findall(r"`([a-z-]+)`", row)}
    known = set(re.findall(r"`([a-z-]+)`", (DOCS / "files-on-disk.md").read_text("utf-8")))
    assert named and named <= known


def test_the_pictures_are_small():
    assert all(path.stat().st_size < 400 << 10 for path in (DOCS / "images").iterdir())


def clone(target: Path) -> Path:
    """The files of this repository as git has them, changes that are not committed included."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a clone of the repository")
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


def run_in_shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line in a shell without the variables of this environment, but with pip's cache."""
    ours = ("PYTHON", "MLHUB", "PYTEST", "VIRTUAL_ENV")
    env = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    env |= {"HOME": str(folder), GUARD: "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    env.setdefault("PIP_CACHE_DIR", str(Path.home() / ".cache/pip"))
    return subprocess.run(
        ["sh", "-c", line], cwd=folder, env=env, capture_output=True, text=True, timeout=280, check=False
    )


@pytest.mark.skipif(
    "GIANT" not in os.environ, reason="installs packages: only where GIANT is set, as .ci/run does"
)
def test_the_commands_of_the_readme_run_in_a_fresh_clone(tmp_path):
    """The second one would run this test again: its last step is left out, and nothing is installed."""
    if os.environ.get(GUARD):
        pytest.skip("this runs as a command of the README already")
    if sys.platform == "win32" or shutil.which("python3") is None:
        pytest.skip("the commands are for a POSIX shell with python3")
    pip = f"{shlex.quote(sys.executable)} -m pip"
    if run_in_shell(f"{pip} download -q --no-deps -d wheels hatchling", tmp_path).returncode:
        pytest.skip("pip cannot install packages here")
    folder = clone(tmp_path / "clone")
    mirror_sample, run_tests = shell_lines(README)[:2]
    ended = run_in_shell(mirror_sample, folder)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    Mirrored(folder / "demo-mirror").check(0)

    *steps, install, test = run_tests.split(" && ")
    assert (install, test) == ("python -m pip install '.[dev]'", "python -m pytest")
    dry = " && ".join([*steps, install.replace("install", "install --dry-run --no-deps")])
    ended = run_in_shell(dry, folder)
    assert ended.returncode == 0 and "does not provide the extra" not in ended.stderr, ended.stderr
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    assert any(package.startswith("pytest>") for package in packages["dev"])
