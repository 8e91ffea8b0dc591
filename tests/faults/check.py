"""Checks the fault list: each known fault has tests that provoke it, or a reason why it cannot occur.

    python tests/faults/check.py

The list is one TOML file per section with one row per fault: `id`, `what`, and either `tests` or `not_ours`;
`note` where this program deliberately behaves differently from what most would expect.
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
ROWS = {"A": 25, "B": 48, "C": 16, "D": 25, "E": 20, "F": 15, "G": 22, "H": 20, "I": 6, "J": 11, "K": 7}
ROWS |= {"L": 10, "M": 4, "N": 10, "O": 40}


@dataclass(frozen=True)
class Row:
    """One fault. `tests` are node ids of pytest, relative to the top of the repository."""

    id: str
    what: str
    tests: tuple[str, ...] = ()
    not_ours: str = ""
    note: str = ""

    def flaws(self) -> Iterator[str]:
        if not self.what.strip():
            yield f"{self.id}: `what` is empty"
        if bool(self.tests) == bool(self.not_ours.strip()):
            yield f"{self.id}: give either `tests` or `not_ours`"
        if len(set(self.tests)) < len(self.tests):
            yield f"{self.id}: a test is listed twice"
        yield from (f"{self.id}: no such test: {test}" for test in self.tests if not exists(test))


def read(folder: Path, section: str) -> list[Row]:
    file = folder / f"{section.lower()}.toml"
    rows = tomllib.loads(file.read_text(encoding="utf-8")).get("row", []) if file.exists() else []
    return [Row(**{**row, "tests": tuple(row.get("tests", ()))}) for row in rows]


def exists(test: str) -> bool:
    """Whether the function of `file::[Class::]function[case]` is there, and its case if one is given."""
    name, _, case = test.partition("[")
    file, _, function = name.partition("::")
    return function in test_names(file) and (not case or is_case(case.removesuffix("]")))


def is_case(case: str) -> bool:
    """pytest joins the values of several parameters by dashes."""
    return case in string_constants() or all(part in string_constants() for part in case.split("-"))


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def test_names(file: str) -> frozenset[str]:
    """The test functions of a file, and the methods of its classes as `Class::method`."""
    path = REPOSITORY / file
    if not path.is_file() or not path.name.startswith("test_"):
        return frozenset()
    module = parsed(path)
    classes = {node.name: node.body for node in module.body if isinstance(node, ast.ClassDef)}
    methods = {f"{name}::{test}" for name, body in classes.items() for test in tests_in(body)}
    return frozenset({*tests_in(module.body), *methods})


def tests_in(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node.name


@cache
def string_constants() -> frozenset[str]:
    """Every string in the source of the tests: the name of a case is one of them."""
    nodes = (node for path in (REPOSITORY / "tests").rglob("*.py") for node in ast.walk(parsed(path)))
    return frozenset(n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str))


def wrong_ids(folder: Path, section: str, number: int) -> Iterator[str]:
    """Ids that are not there exactly once, and ids that do not belong to the section."""
    found = [row.id for row in read(folder, section)]
    expected = [f"{section}{n:02}" for n in range(1, number + 1)]
    yield from (f"{id}: {found.count(id)} rows" for id in expected if found.count(id) != 1)
    yield from (f"{section.lower()}.toml: {id} does not belong here" for id in sorted({*found} - {*expected}))


def flaws(folder: Path = HERE) -> list[str]:
    """Everything that is wrong with the list in a folder, one line each."""
    found = []
    for section, number in ROWS.items():
        found += wrong_ids(folder, section, number)
        found += [flaw for row in read(folder, section) for flaw in row.flaws()]
    return found


def summary(folder: Path = HERE) -> str:
    rows = [row for section in ROWS for row in read(folder, section)]
    tests = {test.partition("[")[0] for row in rows for test in row.tests}
    return f"{len(rows)} rows, {len(tests)} tests, {len(flaws(folder))} missing"


if __name__ == "__main__":
    print(*flaws(), summary(), sep="\n")
    sys.exit(bool(flaws()))
