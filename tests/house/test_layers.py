"""The layer rule of `mlhub_async/README.md`: what may import what, and how large folders and code may be.

Each rule is a function of the directory of a package, and is also tried on a package that breaks it.
"""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import mlhub_async

LAYERS = [
    ["__main__"],
    ["cli"],
    ["api", "demo"],
    ["engine"],
    ["transfer", "sources"],
    ["stac", "http", "storage"],
    ["core"],
]
"""Folders at the top of the package. Each imports only from folders on later lines."""
LEVEL = {name: level for level, line in enumerate(LAYERS) for name in line}
MAX_ENTRIES = 12
MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 45
PACKAGE = Path(mlhub_async.__file__).parent
pytestmark = pytest.mark.xdist_group("modules of the package, parsed once")


class Import(NamedTuple):
    """The module `source` imports the module `target`, or a name from it."""

    source: str
    target: str
    line: int

    def __str__(self) -> str:
        return f"{self.source}:{self.line} imports {self.target or 'the package itself'}"


def modules_of(package: Path) -> dict[str, Path]:
    """The modules below `package` by dotted name; an `__init__` has the name of its folder."""
    found = {}
    for path in package.rglob("*.py"):
        parts = path.relative_to(package).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def imports_of(package: Path) -> list[Import]:
    """Imports between modules of the package: at the top, inside functions, and for typing."""
    modules = modules_of(package)
    return [
        Import(name, target, node.lineno)
        for name, path in modules.items()
        for node in ast.walk(parsed(path))
        for target in targets(node, name, path, modules, package.name)
    ]


def targets(node: ast.AST, name: str, path: Path, modules: dict[str, Path], package: str) -> Iterator[str]:
    """The modules of the package that this node imports, where it is an import statement."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            if alias.name.split(".")[0] == package:
                yield alias.name.partition(".")[2]
    elif isinstance(node, ast.ImportFrom) and (base := base_of(node, name, path, package)) is not None:
        for alias in node.names:
            full = ".".join(filter(None, (base, alias.name)))
            yield full if full in modules else base


def base_of(node: ast.ImportFrom, name: str, path: Path, package: str) -> str | None:
    """The module after `from`; None if it belongs to another package."""
    if node.level == 0:
        first, _, rest = (node.module or "").partition(".")
        return rest if first == package else None
    parts = name.split(".") if name else []
    up = node.level - 1 if path.name == "__init__.py" else node.level
    return ".".join([*parts[: len(parts) - up], *filter(None, [node.module])])


def top(name: str) -> str:
    return name.partition(".")[0]


def upward_imports(package: Path) -> list[str]:
    """Rule 1: a folder imports only from folders on lower lines. The `__init__` at the top is exempt."""
    return [
        str(one)
        for one in imports_of(package)
        if one.source and one.target and top(one.source) != top(one.target)
        if LEVEL[top(one.source)] >= LEVEL[top(one.target)]
    ]


def circles(package: Path) -> list[str]:
    """Rule 2: the entries of a folder do not import each other in a circle; a sub-folder is one entry."""
    edges: dict[tuple[str, ...], dict[str, set[str]]] = {}
    for one in imports_of(package):
        source, target = one.source.split("."), one.target.split(".")
        depth = next(
            (at for at, (a, b) in enumerate(zip(source, target, strict=False)) if a != b),
            min(len(source), len(target)),
        )
        if one.source and one.target and depth < min(len(source), len(target)):
            edges.setdefault(tuple(source[:depth]), {}).setdefault(source[depth], set()).add(target[depth])
    return [
        f"{'.'.join(folder) or 'the top'}: {' -> '.join(circle)}"
        for folder, graph in edges.items()
        if (circle := circle_in(graph))
    ]


def circle_in(graph: dict[str, set[str]]) -> list[str]:
    """A circle of the graph; [] if there is none."""
    done: set[str] = set()

    def visit(node: str, path: list[str]) -> list[str]:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return []
        for following in sorted(graph.get(node, ())):
            if found := visit(following, [*path, node]):
                return found
        done.add(node)
        return []

    return next((found for node in sorted(graph) if (found := visit(node, []))), [])


def imports_beyond_core(package: Path) -> list[str]:
    """Rule 3: `core` imports nothing of ours; `http`, `stac` and `storage` only `core`."""
    allowed = {"core": {"core"}, **{name: {name, "core"} for name in ("http", "stac", "storage")}}
    return [
        str(one)
        for one in imports_of(package)
        if one.target and top(one.target) not in allowed.get(top(one.source), {top(one.target)})
    ]


def double_names(package: Path) -> list[str]:
    """Rule 6: no module has the name of something that its folder exports."""
    return [
        f"{name or 'the top'} exports {exported}, which is a module of it as well"
        for name, path in modules_of(package).items()
        if path.name == "__init__.py"
        for exported in exports(path)
        if (path.parent / f"{exported}.py").exists() or (path.parent / exported / "__init__.py").exists()
    ]


def exports(path: Path) -> Iterator[str]:
    """Names that an `__init__` defines or imports from a module."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if node.name != "__init__":
                yield node.name
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (alias.asname or alias.name for alias in node.names)


def long_modules(package: Path) -> list[str]:
    """Rule 7: at most 400 lines in a module."""
    sizes = {name: len(path.read_text().splitlines()) for name, path in modules_of(package).items()}
    return [f"{name} has {size} lines" for name, size in sizes.items() if size > MAX_MODULE_LINES]


def long_functions(package: Path) -> list[str]:
    """At most 45 lines in a function, its docstring not counted."""
    return [
        f"{name}:{node.lineno} {node.name} has {size} lines"
        for name, path in modules_of(package).items()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if (size := lines_of(node)) > MAX_FUNCTION_LINES
    ]


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = function.body[0]
    docstring = first.end_lineno - first.lineno + 1 if ast.get_docstring(function) else 0
    return function.end_lineno - function.lineno + 1 - docstring


def crowded_folders(package: Path) -> list[str]:
    """Rule 7: at most 12 Python entries in a folder."""
    found = []
    for folder in {path.parent for path in package.rglob("*.py")}:
        entries = [one for one in folder.iterdir() if one.suffix == ".py" or (one / "__init__.py").exists()]
        if len(entries) > MAX_ENTRIES:
            found.append(f"{folder.relative_to(package)} holds {len(entries)}")
    return found


SHARED_SOURCES = [
    *("location", "recognise", "browse", "access"),
    *("items.lockfile.format", "items.lockfile.reading"),  # which is also written, and compared
]
"""Modules of `sources` that name no kind of catalogue: every folder above may import them."""
COMPOSITION = [
    "",
    "engine.mirror",
    "engine.connect",
    "engine.destination",
    "api.client",
    "api.reader",
    "api.downloads",
]
"""Modules that put a run, or a single download, together; "" is the list of public names."""
CONCRETE = {"storage.local": ["storage", "cli.selftest"], "http.transport": ["http.transport"]}
"""Folders of concrete stores and transports, and who may name them beside COMPOSITION: `storage.ledger`
shares the errors of the disk, `cli.selftest` tries the local store on a file system."""


def named_sources(package: Path) -> list[str]:
    """Rule 4: a kind of source is named only where a run is put together."""
    return [
        str(one)
        for one in imports_of(package)
        if top(one.target) == "sources" and top(one.source) != "sources" and one.source not in COMPOSITION
        if one.target.removeprefix("sources.") not in SHARED_SOURCES
    ]


def named_stores_and_transports(package: Path) -> list[str]:
    """Rule 4: a kind of store or transport is named only where a run is put together; others take ports."""
    return [
        str(one)
        for one in imports_of(package)
        for folder, users in CONCRETE.items()
        if within(one.target, folder) and one.source not in COMPOSITION
        if not any(within(one.source, user) for user in users)
    ]


def within(name: str, folder: str) -> bool:
    return f"{name}.".startswith(f"{folder}.")


IMPORT_RULES = [upward_imports, circles, imports_beyond_core, named_sources, named_stores_and_transports]
RULES = [*IMPORT_RULES, double_names, crowded_folders, long_modules, long_functions]


def test_every_folder_has_a_line_in_the_layer_rule():
    assert {top(name) for name in modules_of(PACKAGE) if name} == set(LEVEL)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_package_keeps_the_rule(rule):
    assert rule(PACKAGE) == []


VIOLATIONS = [
    (upward_imports, {"core/a.py": "from ..engine import b", "engine/b.py": ""}),
    (upward_imports, {"stac/a.py": "def f():\n    from ..http.b import c", "http/b.py": "c = 1"}),
    (upward_imports, {"api/a.py": "from mlhub_async.cli import b", "cli/b.py": ""}),
    (circles, {"http/a.py": "from .b import x", "http/b.py": "def f():\n    from . import a"}),
    (
        circles,
        {"http/a/one.py": "from ..b import x", "http/b.py": "from .a.two import y", "http/a/two.py": ""},
    ),
    (imports_beyond_core, {"core/a.py": "import mlhub_async.http.b", "http/b.py": ""}),
    (
        imports_beyond_core,
        {"storage/a.py": "if 0:\n    from ..http.b import c", "http/b.py": "c = 1"},
    ),
    (named_sources, {"cli/a.py": "from ..sources.b import C", "sources/b.py": "class C: ..."}),
    (
        named_stores_and_transports,
        {"transfer/a.py": "from ..storage.local.b import C", "storage/local/b.py": "class C: ..."},
    ),
    (
        named_stores_and_transports,
        {"engine/a.py": "if 0:\n    from ..http.transport import b", "http/transport/b.py": ""},
    ),
    (
        named_stores_and_transports,
        {"http/a.py": "from .transport.b import C", "http/transport/b.py": "C = 1"},
    ),
    (double_names, {"http/__init__.py": "from .retry import retry", "http/retry.py": "def retry(): ..."}),
    (double_names, {"http/__init__.py": "def client(): ...", "http/client/x.py": ""}),
    (crowded_folders, {f"core/m{number}.py": "" for number in range(MAX_ENTRIES)}),
    (long_modules, {"core/a.py": "\n" * (MAX_MODULE_LINES + 1)}),
    (long_functions, {"core/a.py": "def f():\n" + "    x = 1\n" * MAX_FUNCTION_LINES}),
]


@pytest.mark.parametrize(("rule", "files"), VIOLATIONS, ids=lambda part: getattr(part, "__name__", ""))
def test_a_package_that_breaks_the_rule_is_reported(rule, files, tmp_path):
    package = tmp_path / "mlhub_async"
    for name, text in files.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        for folder in (path.parent, *path.parent.parents):
            if package in (folder, *folder.parents) and not (folder / "__init__.py").exists():
                (folder / "__init__.py").write_text("")
        path.write_text(text)
    assert len(rule(package)) == 1


def test_type_checkers_see_all_public_names():
    statements = ast.parse((PACKAGE / "__init__.py").read_text()).body
    block = next(node for node in statements if isinstance(node, ast.If))
    seen = {alias.asname for node in block.body for alias in node.names}
    assert seen | {"__version__"} == set(mlhub_async.__all__)


PUBLIC_NAMES = """
import importlib, sys, types
import mlhub_async
modules, first = sys.argv[2:], sys.argv[1]
before = {name: getattr(mlhub_async, name) for name in mlhub_async.__all__} if first == "names" else {}
for module in modules:
    importlib.import_module(module)
for name in mlhub_async.__all__:
    value = getattr(mlhub_async, name)
    assert before.get(name, value) is value, f"{name} is another object after all imports"
    assert isinstance(value, types.ModuleType) == (name == "blocking"), f"{name} is {value}"
    assert f"mlhub_async.{name}" not in sys.modules, f"{name} is a module as well"
"""


@pytest.mark.parametrize("first", ["names", "modules"])
def test_public_names_are_the_same_objects_whatever_was_imported_before(first):
    modules = [f"mlhub_async.{name}" for name in modules_of(PACKAGE) if name not in ("", "__main__")]
    subprocess.run([sys.executable, "-c", PUBLIC_NAMES, first, *sorted(modules)], check=True, timeout=120)


@pytest.mark.parametrize("name", sorted({*mlhub_async.__all__} - {"__version__"}))
def test_a_public_name_cannot_be_imported_as_a_module(name):
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module(f"mlhub_async.{name}")
