"""The meaning of HTTP status codes is decided in `http/status` alone.

Everybody else asks an error for what it means (`error.absent`), or compares a head's status with a name that
`http/status` gives.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import mlhub_async

PACKAGE = Path(mlhub_async.__file__).parent
TABLE = "http/status.py"
SERVERS = ("demo/",)
"""They answer requests, so they choose status codes instead of interpreting them."""
COMPARES_VALUES = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn)


def foreign_comparisons(package: Path) -> list[str]:
    """Comparisons of a `status` with anything but names of the table: numbers, local constants, sets."""
    return [
        f"{name}:{line}: compares a status code by itself"
        for path in sorted(package.rglob("*.py"))
        if (name := path.relative_to(package).as_posix()) != TABLE and not name.startswith(SERVERS)
        for line in comparisons(ast.parse(path.read_text()))
    ]


def comparisons(tree: ast.Module) -> Iterator[int]:
    names = names_of_table(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and any(isinstance(op, COMPARES_VALUES) for op in node.ops):
            operands = [node.left, *node.comparators]
            others = [one for one in operands if not is_status(one)]
            if len(others) < len(operands) and not all(is_of_table(one, names) for one in others):
                yield node.lineno
        elif isinstance(node, ast.Match) and is_status(node.subject):
            yield node.lineno


def names_of_table(tree: ast.Module) -> set[str]:
    return {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[-1] == "status"
        for alias in node.names
    }


def is_status(node: ast.expr) -> bool:
    return (isinstance(node, ast.Attribute) and node.attr == "status") or (
        isinstance(node, ast.Name) and node.id == "status"
    )


def is_of_table(node: ast.expr, names: set[str]) -> bool:
    if isinstance(node, ast.Tuple | ast.Set):
        return all(is_of_table(one, names) for one in node.elts)
    return isinstance(node, ast.Name) and node.id in names


def test_only_the_table_compares_status_codes():
    assert foreign_comparisons(PACKAGE) == []


@pytest.mark.parametrize(
    "text",
    [
        "def f(error):\n    return error.status == 404",
        "GONE = {404, 410}\ndef f(error):\n    return error.status in GONE",
        "def f(status):\n    return 500 <= status < 600",
        "from .status import OK\ndef f(head):\n    return head.status in (OK, 206)",
        "def f(head):\n    match head.status:\n        case 404: return 1",
    ],
)
def test_a_planted_comparison_is_found(text, tmp_path):
    (tmp_path / "stac").mkdir()
    (tmp_path / "stac/paging.py").write_text(text)
    assert len(foreign_comparisons(tmp_path)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "from ..http.status import OK, PARTIAL\ndef f(head):\n    return head.status in (OK, PARTIAL)",
        "def f(outcome):\n    return outcome.status is Status.FAILED or outcome.status is None",
        "def f(error):\n    return error.absent and error.size == 404",
    ],
)
def test_a_name_of_the_table_or_an_identity_is_no_violation(text, tmp_path):
    (tmp_path / "stac").mkdir()
    (tmp_path / "stac/paging.py").write_text(text)
    assert foreign_comparisons(tmp_path) == []
