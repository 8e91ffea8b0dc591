"""The fault list: every fault we know of, with the tests that provoke it or the reason why it cannot be met.

    python tests/faults/check.py

One file per section, one row per fault: `id`, `what`, and either `tests` or `not_ours`; `note` where this
program deliberately does something else than most would expect.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent
SECTIONS = {"A": 22, "B": 34, "C": 15, "D": 21, "E": 20, "F": 15, "G": 20, "H": 20, "I": 6, "J": 11, "K": 7}


@dataclass(frozen=True)
class Row:
    """One fault. `tests` are written as pytest takes them, from the top of the repository."""

    id: str
    what: str
    tests: tuple[str, ...] = ()
    not_ours: str = ""
    note: str = ""

    def flaws(self) -> Iterator[str]:
        if not self.what.strip():
            yield f"{self.id}: what it is is not said"
        if bool(self.tests) == bool(self.not_ours.strip()):
            yield f"{self.id}: tests or a reason why there are none, and not both"
        if len(set(self.tests)) < len(self.tests):
            yield f"{self.id}: a test is named twice"
        yield from (f"{self.id}: there is no {test}" for test in self.tests if not exists(test))


def read(folder: Path, section: str) -> list[Row]:
    file = folder / f"{section.lower()}.toml"
    listed = tomllib.loads(file.read_text(encoding="utf-8")).get("row", []) if file.exists() else []
    return [Row(**{**row, "tests": tuple(row.get("tests", ()))}) for row in listed]


def exists(test: str) -> bool:
    """`file::[Class::]function[case]`: the function is there, and so is the case where one is named."""
    name, _, case = test.partition("[")
    file, _, function = name.partition("::")
    return function in functions(file) and (not case or known(case.removesuffix("]")))


def known(case: str) -> bool:
    """A case of several parameters is called by all of them, with dashes between."""
    return case in words() or all(part in words() for part in case.split("-"))


@cache
def functions(file: str) -> frozenset[str]:
    path = REPOSITORY / file
    if not path.is_file() or not path.name.startswith("test_"):
        return frozenset()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    classes = {node.name: node.body for node in tree.body if isinstance(node, ast.ClassDef)}
    inside = {f"{name}::{test}" for name, body in classes.items() for test in tests_of(body)}
    return frozenset({*tests_of(tree.body), *inside})


def tests_of(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node.name


@cache
def words() -> frozenset[str]:
    """Every text that stands in the tests: what a case is called is one of them."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (REPOSITORY / "tests").rglob("*.py")]
    nodes = (node for tree in trees for node in ast.walk(tree))
    return frozenset(n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str))


def missing(folder: Path, section: str, number: int) -> Iterator[str]:
    """Ids that are not there exactly once, and those that are none."""
    listed = [row.id for row in read(folder, section)]
    wanted = [f"{section}{n:02}" for n in range(1, number + 1)]
    yield from (f"{id}: {listed.count(id)} rows" for id in wanted if listed.count(id) != 1)
    yield from (f"{section.lower()}.toml: {id} is none of it" for id in sorted({*listed} - {*wanted}))


def flaws(folder: Path = HERE) -> list[str]:
    found = []
    for section, number in SECTIONS.items():
        found += missing(folder, section, number)
        found += [flaw for row in read(folder, section) for flaw in row.flaws()]
    return found


def summary(folder: Path = HERE) -> str:
    rows = [row for section in SECTIONS for row in read(folder, section)]
    tests = {test.partition("[")[0] for row in rows for test in row.tests}
    return f"{len(rows)} rows, {len(tests)} tests, {len(flaws(folder))} missing"


if __name__ == "__main__":
    print(*flaws(), summary(), sep="\n")
    sys.exit(bool(flaws()))
