"""The names of files in DEST stand in `storage/layout` only: no other module spells one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import mlhub_async
from mlhub_async.storage import layout

PACKAGE = Path(mlhub_async.__file__).parent
LAYOUT = "storage/layout.py"
STAC_NAMES = "core/model.py"
"""Holds the names that STAC recommends: `sources` and `stac`, which cannot import `storage`, use them too."""
OTHER_FILES = {
    ("http/auth/profiles.py", ".mlhub"): "the directory of the official client in HOME",
    ("cli/help/manual.py", ".mlhub"): "the same",
    ("__init__.py", "lock"): "the function that writes a lockfile",
    ("cli/help/texts.py", "lock"): "the command that does",
}


def names_in_dest() -> set[str]:
    constants = [value for name, value in vars(layout).items() if name.isupper()]
    names = {name for value in constants for name in ([value] if isinstance(value, str) else value)}
    suffixes = {layout.partial_file(""), layout.checkpoints_file("")}
    return names | suffixes | {"_no-collection"}


def spelled_names(package: Path) -> list[str]:
    """String literals that are a name in DEST, or a path with one; docstrings do not count."""
    names = names_in_dest()
    return [
        f"{module}:{node.lineno} spells {name}"
        for path in sorted(package.rglob("*.py"))
        if (module := path.relative_to(package).as_posix()) not in (LAYOUT, STAC_NAMES)
        for node in literals(ast.parse(path.read_text()))
        for name in sorted(names.intersection(str(node.value).split("/")))
        if (module, name) not in OTHER_FILES
    ]


def literals(tree: ast.Module) -> Iterator[ast.Constant]:
    nodes = list(ast.walk(tree))
    prose = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node


def test_no_other_module_spells_the_name_of_a_file_in_dest():
    assert spelled_names(PACKAGE) == []


@pytest.mark.parametrize(
    "line",
    [
        'path = dest / ".mlhub"',
        'RECEIPT = f"{STATE}/receipt.json"',
        'path = os.path.join(dest, ".mlhub/ledger.sqlite")',
        'name = f"{stem}.part"',
        'logs = ("journal.0", "x")',
        'id = "_no-collection"',
        'root = "catalog.json"',
    ],
)
def test_a_planted_name_is_found(line, tmp_path):
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine/planted.py").write_text(f'"""Writes catalog.json."""\n{line}\n')
    found = spelled_names(tmp_path)
    assert found and all(one.startswith("engine/planted.py:2 spells ") for one in found)


@pytest.mark.parametrize("text", ['"""Writes receipt.json."""', 'x = "no catalog.json there"', "partial = 1"])
def test_prose_is_no_spelled_name(text, tmp_path):
    (tmp_path / "planted.py").write_text(text)
    assert spelled_names(tmp_path) == []
