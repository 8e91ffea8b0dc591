"""How many modules a start imports, the standard library included: most of a short run is that.

A module that few runs need is imported in the function that needs it. The bounds are for CPython 3.11.
"""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

import mlhub_async
from support.items import item

PACKAGE = Path(mlhub_async.__file__).parent
MAIN = "from mlhub_async.__main__ import main\nmain()"
MOST = {"import": 65, "help": 120, "mirror": 406}
"""The most modules for `import mlhub_async`, `mlhub-async --help` and a mirror of one item.

Of the last, 185 are the interpreter's, asyncio's, click's and those of the compiled dependencies.
"""
RARE = [
    "aiofiles",
    "aiohttp",
    "cql2",
    "csv",
    "difflib",
    "email",
    "netrc",
    "pyarrow",
    "shapely",
    "shutil",
    "tempfile",
    "tenacity",
    "tqdm",
    "mlhub_async.core.ports.parts",
    "mlhub_async.demo",
    "mlhub_async.engine.planning",
    "mlhub_async.engine.finish.prune",
    "mlhub_async.engine.verify",
    "mlhub_async.sources.api.source",
    "mlhub_async.sources.items.streams",
    "mlhub_async.sources.mlhub",
    "mlhub_async.sources.static",
    "mlhub_async.stac.conditions.cql2",
    "mlhub_async.stac.index",
    "mlhub_async.storage.ledger.lookups.by_url",
    "mlhub_async.storage.ledger.lookups.unchanged",
    "mlhub_async.storage.local.body",
    "mlhub_async.transfer.commit",
    "mlhub_async.transfer.receiver",
]
"""What a mirror of one item over http does without, with all that is in it."""


def imported(code: str, *args: str, out: Path) -> set[str]:
    """The modules that a new interpreter has imported when it ends, after this code with these arguments."""
    counting = (
        f"import atexit, sys\natexit.register(lambda: open({str(out)!r}, 'w').write(' '.join(sys.modules)))"
    )
    subprocess.run(
        [sys.executable, "-c", f"{counting}\n{code}", *args], capture_output=True, timeout=100, check=True
    )
    return set(out.read_text().split()) - {"atexit"}


def bounded(what: str, modules: set[str]) -> None:
    if sys.version_info[:2] == (3, 11):  # other versions divide the standard library differently
        assert len(modules) <= MOST[what], sorted(modules)


def test_the_import_of_the_package_is_cheap(tmp_path):
    bounded("import", imported("import mlhub_async", out=tmp_path / "names"))


def test_the_help_needs_no_options_and_no_engine(tmp_path):
    modules = imported(MAIN, "--help", out=tmp_path / "names")
    assert "mlhub_async.cli.commands" in modules
    assert not {"asyncio", "sqlite3", "orjson", "mlhub_async.cli.options", "mlhub_async.engine"} & modules
    bounded("help", modules)


def test_a_mirror_of_one_item_imports_nothing_that_it_does_not_need(site, tmp_path):
    site.put("/a.bin", b"bytes", etag='"1"')
    site.put("/item.json", json.dumps(item(assets={"a": {"href": site.url("/a.bin")}}).body).encode())
    modules = imported(MAIN, "mirror", site.url("/item.json"), str(tmp_path / "dest"), out=tmp_path / "names")
    assert (tmp_path / "dest/c/i/a.bin").read_bytes() == b"bytes"
    assert not {name for name in modules for rare in RARE if f"{name}.".startswith(f"{rare}.")}
    bounded("mirror", modules)


def typed_exports(init: Path) -> dict[str, str]:
    """The names that an `__init__` imports for type checkers, each with the module it is in."""
    blocks = [node for node in ast.parse(init.read_text()).body if isinstance(node, ast.If)]
    return {
        alias.name: node.module or ""
        for block in blocks
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


LAZY = [path for path in PACKAGE.rglob("__init__.py") if "= lazy_exports(" in path.read_text()]


@pytest.mark.parametrize("init", LAZY, ids=lambda path: path.parent.name)
def test_a_package_gives_the_names_that_type_checkers_see_in_it_and_no_others(init):
    name = ".".join(("mlhub_async", *init.parent.relative_to(PACKAGE).parts))
    package, exports = importlib.import_module(name), typed_exports(init)
    for export, module in exports.items():
        assert getattr(package, export) is getattr(importlib.import_module(f"{name}.{module}"), export)
    named = {
        word
        for node in ast.walk(ast.parse(init.read_text()))
        if isinstance(node, ast.Dict)
        for value in node.values
        for word in ast.literal_eval(value).split()
    }
    assert named == set(exports)
    with pytest.raises(AttributeError, match=f"module '{name}' has no attribute 'misspelt'"):
        package.misspelt  # noqa: B018
