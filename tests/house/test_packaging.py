"""What is built: the content of the wheel, the sdist that builds the same, recipes that agree with it."""

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from mlhub_async import __version__
from mlhub_async.cli.help.manual import manual_page

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
pytest.importorskip("hatchling", reason="builds the distributions")


def build(source: Path, out: Path, *kinds: str) -> list[Path]:
    """The distributions of `source`, built by the backend that pyproject.toml names."""
    words = [sys.executable, "-m", "hatchling", "build", "-d", str(out), *(f"-t{kind}" for kind in kinds)]
    subprocess.run(words, cwd=source, check=True, capture_output=True, timeout=200)
    return sorted(out.iterdir())


@pytest.fixture(scope="module")
def distributions(tmp_path_factory):
    sdist, wheel = build(ROOT, tmp_path_factory.mktemp("dist"), "sdist", "wheel")
    return (sdist, wheel) if sdist.name.endswith(".tar.gz") else (wheel, sdist)


def modules_of_the_package() -> set[str]:
    found = (path.relative_to(ROOT).as_posix() for path in (ROOT / "mlhub_async").rglob("*"))
    return {name for name in found if (ROOT / name).is_file() and "__pycache__" not in name}


def test_the_wheel_has_the_package_the_licence_and_the_manual_page_and_nothing_else(distributions):
    _, wheel = distributions
    names = set(zipfile.ZipFile(wheel).namelist())
    own = {name for name in names if name.startswith("mlhub_async/")}
    assert own == modules_of_the_package()
    rest = {name.split("/", 1)[1] for name in names - own}
    metadata = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}
    assert rest == metadata | {"data/share/man/man1/mlhub-async.1"}


def test_the_sdist_builds_the_same_wheel(distributions, tmp_path):
    sdist, wheel = distributions
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (tree,) = tmp_path.iterdir()
    (again,) = build(tree, tmp_path / "out", "wheel")
    contents = [
        {info.filename: info.CRC for info in zipfile.ZipFile(one).infolist()} for one in (wheel, again)
    ]
    assert contents[0] == contents[1]
    assert (tree / "tests/conftest.py").is_file() and (tree / "docs/CHANGELOG.md").is_file()


def test_the_manual_page_is_that_of_this_program():
    assert (ROOT / "docs/mlhub-async.1").read_text("utf-8") == manual_page(), (
        "write it again: python -m mlhub_async.cli.help.manual > docs/mlhub-async.1"
    )


def test_every_place_has_the_same_version():
    recipe = (ROOT / ".ci/packaging/conda/recipe.yaml").read_text("utf-8")
    citation = (ROOT / "docs/CITATION.cff").read_text("utf-8")
    assert PROJECT["version"] == __version__
    assert re.search(r"^  version: (.*)$", recipe, re.MULTILINE)[1] == __version__
    assert re.search(r"^version: (.*)$", citation, re.MULTILINE)[1] == __version__
    changes = (ROOT / "docs/CHANGELOG.md").read_text("utf-8")
    assert re.findall(r"^## \[(\d.*)\] - \d{4}-\d\d-\d\d$", changes, re.MULTILINE)[0] == __version__


def test_the_conda_recipe_has_the_dependencies_of_the_project():
    recipe = (ROOT / ".ci/packaging/conda/recipe.yaml").read_text("utf-8")
    run = recipe.split("  run:\n")[1].split("\ntests:")[0]
    listed = set(re.findall(r"(?:- |then: )([a-z0-9-]+ >=\S+)", run)) - {"python >=3.11"}
    wanted = {one.split(";")[0].strip() for one in PROJECT["dependencies"]}
    assert {one.replace(" ", "") for one in listed} == {one.replace(" ", "") for one in wanted}


def test_hints_install_packages_that_a_clone_can_have_too_as_the_extras_name_them():
    """The program itself need not come from an index, so its extras cannot be installed by its name."""
    texts = [path.read_text("utf-8") for path in (ROOT / "mlhub_async").rglob("*.py")]
    texts += [path.read_text("utf-8") for path in (ROOT / "docs").glob("*.md")]
    hints = {hint for text in texts for hint in re.findall(r"pip install '([^']+)'", text)}
    extras = {one for extra in PROJECT["optional-dependencies"].values() for one in extra}
    assert hints and hints <= extras | {".[deep,index]", ".[dev]"}


def test_the_workflows_try_every_python_that_is_supported():
    floor = int(PROJECT["requires-python"].removeprefix(">=3."))
    for name in ("ci.yml", "release.yml"):
        text = (ROOT / ".github/workflows" / name).read_text("utf-8")
        versions = re.search(r'python: \[("3\.\d+"(?:, "3\.\d+")*)\]', text)[1]
        minors = [int(one) for one in re.findall(r"3\.(\d+)", versions)]
        assert minors == list(range(floor, max(minors) + 1))
    classified = {int(one.rpartition(".")[2]) for one in PROJECT["classifiers"] if ":: 3." in one}
    assert classified == set(minors)
