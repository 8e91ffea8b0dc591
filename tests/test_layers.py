"""What may import what. BANDS is the map of the package: a module imports only from lower bands,
and inside a band only from modules further down its list. Lazy and typing imports count."""

import ast
from pathlib import Path

import mlhub_async

BANDS = [
    ["__main__", "cli", "blocking", "selftest", "demo", "streaming"],
    [
        "client",
        "planning",
        "mirror",
        "run",
        "opening",
        "waiting",
        "network",
        "closing",
        "pruning",
        "verify",
        "report",
        "listing",
    ],
    [
        "transfer",
        "kit",
        "express",
        "keeping",
        "handed",
        "intake",
        "promises",
        "ranges",
        "part",
        "shares",
        "resuming",
        "inventory",
        "taken",
        "plan",
        "sidecars",
        "events",
        "progress",
        "catalog",
        "sources",
    ],
    ["http", "transport", "stac", "ledger", "stores"],
    [
        "sharing",
        "retry",
        "limits",
        "gain",
        "budget",
        "pace",
        "flow",
        "places",
        "admission",
        "weather",
        "machines",
        "proxy",
        "auth",
        "profiles",
        "validators",
        "sniff",
        "decoding",
        "formats",
        "names",
        "media",
        "descriptors",
        "awake",
    ],
    ["ports", "checksum", "options", "model", "fields", "secret", "urls", "errors"],
]
RANK = {name: rank for rank, name in enumerate(name for band in BANDS for name in band)}
PACKAGE = Path(mlhub_async.__file__).parent


def module_of(path: Path) -> list[str]:
    parts = list(path.relative_to(PACKAGE).with_suffix("").parts)
    return parts[:-1] if parts[-1] == "__init__" else parts


def imports(path: Path) -> set[str]:
    """The package's own modules that this file imports, by their first name."""
    found: set[str] = set()
    depth = len(path.relative_to(PACKAGE).parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == depth:
            found |= {node.module.split(".")[0]} if node.module else {alias.name for alias in node.names}
        else:
            found |= {own_part(name) for name in absolute_names(node) if name.split(".")[0] == "mlhub_async"}
    return found


def absolute_names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.ImportFrom) and node.level == 0:
        return [node.module or ""]
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []


def own_part(name: str) -> str:
    return f"{name}.".split(".")[1] or "__init__"


def test_every_module_has_its_place_in_the_map():
    modules = {module_of(p)[0] for p in PACKAGE.rglob("*.py") if module_of(p)}
    assert modules - RANK.keys() == set()


def test_imports_only_point_down():
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {target}"
        for path in PACKAGE.rglob("*.py")
        if module_of(path)
        for target in imports(path)
        if target in RANK and target != module_of(path)[0] and RANK[target] <= RANK[module_of(path)[0]]
    ]
    assert wrong == []
