"""One library, one place (rule 8 of the layer rule): which modules may import which library.

A library that is imported in one place can be replaced, upgraded or worked around there.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import mlhub_async

PACKAGE = Path(mlhub_async.__file__).parent
USERS = {
    "aiofiles": ["sources/items/streams.py", "http/transport/file.py"],
    "aiohttp": ["http/transport/aiohttp.py", "cli/selftest/loopback.py", "demo/", "api/pages/serving/"],
    "click": ["cli/"],
    "cql2": ["stac/conditions/cql2.py"],
    "jinja2": ["api/pages/environment.py"],
    "distributed": [
        "engine/executors/remote/cluster/dask_pool.py",
        "engine/executors/remote/cluster/dask_worker.py",
    ],
    "orjson": ["core/json_text/codec.py"],
    "shapely": ["stac/conditions/geometry.py"],
    "sqlite3": [
        "storage/ledger/",
        "storage/renaming/",
        "storage/indexes/",
        "engine/verify/",
        "engine/finish/prune.py",
    ],
    "tenacity": ["http/resilience/retry.py"],
    "tqdm": ["api/progress.py"],
}
"""Of each library the modules, or folders, that may import it."""


def foreign_imports(package: Path) -> list[str]:
    """Imports of a library outside of its places: at the top, in functions, and for typing alike."""
    return [
        f"{path.relative_to(package).as_posix()}:{line} imports {library}"
        for path in sorted(package.rglob("*.py"))
        for library, line in imported_libraries(path)
        if library in USERS and not may_import(path.relative_to(package).as_posix(), library)
    ]


def may_import(module: str, library: str) -> bool:
    return any(
        module.startswith(place) if place.endswith("/") else module == place for place in USERS[library]
    )


def imported_libraries(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name.partition(".")[0], node.lineno
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0], node.lineno


def test_every_library_is_imported_in_its_own_places_only():
    assert foreign_imports(PACKAGE) == []


@pytest.mark.parametrize("library", USERS)
def test_every_place_of_a_library_does_import_it(library):
    for place in USERS[library]:
        path = PACKAGE / place
        modules = list(path.rglob("*.py")) if path.is_dir() else [path]
        assert any(library == name for module in modules for name, _ in imported_libraries(module)), place


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("sources/static.py", "import aiofiles"),
        ("http/client.py", "def f():\n    from aiohttp.web import Response"),
        ("transfer/fetch.py", "if 0:\n    import tenacity as t"),
        ("cli/terminal/console.py", "from tqdm import tqdm"),
        ("engine/prune/deep.py", "import sqlite3"),
        ("clips.py", "import click"),
    ],
)
def test_a_planted_import_elsewhere_is_found(module, text, tmp_path):
    (tmp_path / module).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / module).write_text(text)
    assert len(foreign_imports(tmp_path)) == 1


@pytest.mark.parametrize(
    ("module", "text"),
    [("cli/deep/down.py", "import click"), ("sources/static.py", "from .aiofiles import x\nimport json")],
)
def test_an_import_in_its_place_or_of_our_own_module_is_none(module, text, tmp_path):
    (tmp_path / module).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / module).write_text(text)
    assert foreign_imports(tmp_path) == []
