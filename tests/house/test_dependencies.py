"""docs/dependencies.md names every package that an installation brings."""

import re
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PAGE = Path(__file__).parents[2] / "docs/dependencies.md"
EVERYWHERE = {**default_environment(), "extra": ""}
OLD_AND_NEW = [
    {"python_version": version, "python_full_version": f"{version}.0"} for version in ("3.11", "3.13")
]


def installed_with(package: str, environment: dict[str, str]) -> set[str]:
    """The names of all packages that one needs, and that these need, without their extras."""
    found: set[str] = set()
    waiting = [package]
    while waiting:
        try:
            needs = requires(waiting.pop()) or []
        except PackageNotFoundError:  # for another Python or system
            continue
        for needed in map(Requirement, needs):
            name = canonicalize_name(needed.name)
            if name not in found and (needed.marker is None or needed.marker.evaluate(environment)):
                found.add(name)
                waiting.append(name)
    return found


def test_every_package_that_is_installed_has_a_row_with_its_licence():
    rows = dict(re.findall(r"^\| ([a-z0-9-]+) \| (\S[^|]*) \|", PAGE.read_text("utf-8"), re.M))
    for python in OLD_AND_NEW:
        needed = installed_with("mlhub-async", {**EVERYWHERE, **python})
        assert needed and needed <= rows.keys(), needed - rows.keys()


def test_every_extra_of_users_has_a_row():
    first_cells = re.findall(r"^\| ([a-z, ]+) \|", PAGE.read_text("utf-8"), re.M)
    named = {name.strip() for cell in first_cells for name in cell.split(",")}
    extras = {
        str(marker).partition("extra == ")[2].strip("\"' ")
        for marker in (Requirement(line).marker for line in requires("mlhub-async") or [])
        if marker is not None and "extra ==" in str(marker)
    }
    assert extras - {"dev", "docs"} <= named
