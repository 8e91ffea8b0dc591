"""A table of selections by servers: every cell has to be the set of items that an oracle computes.

    python tests/counterparts/selection_table.py [--items N] [--pgstac FOLDER] [--only NAME ...]

Servers: rustac, a static copy of the same items, and with --pgstac the pgstac that `pgstac_up.sh` starts in
that folder, by POST, by GET and in slices; without PostgreSQL it is left out. Exit code 1 if a cell differs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from mlhub_async import Options, Selection
from mlhub_async.core.errors import MlhubError
from mlhub_async.core.model import Collection, Item
from mlhub_async.engine.planning.plan import plan_only
from support.counterparts import reserved_port, rustac
from support.engine import AT_ONCE
from support.selections import SELECTIONS, Asked, many_items
from support.stac_server import stac_collection, static_catalog_files

PGSTAC = Path(__file__).with_name("pgstac_up.sh")
NOT_HERE = 77
NO_HREF = "http://127.0.0.1:9/data.tif"
Json = dict[str, Any]
Column = tuple[str, Json]
"""The URL of a server, and the fields of `Selection` by which it is asked."""


@contextmanager
def pgstac(folder: Path, items: Sequence[Json], collections: Sequence[Json]) -> Iterator[str | None]:
    """The root URL of a pgstac with these documents; None where there is no PostgreSQL."""
    for name, documents in (("collections", collections), ("items", items)):
        (folder / f"{name}.ndjson").write_text("".join(json.dumps(one) + "\n" for one in documents))
    with reserved_port() as port, reserved_port() as database:
        names = [str(folder / f"{name}.ndjson") for name in ("collections", "items")]
        started = subprocess.run([PGSTAC, folder, *names, str(port), str(database)], check=False)
        try:
            if started.returncode not in (0, NOT_HERE):
                raise SystemExit(f"pgstac_up.sh ended with {started.returncode}")
            yield f"http://127.0.0.1:{port}/" if started.returncode == 0 else None
        finally:
            subprocess.run([PGSTAC, folder, "--stop"], check=False)


async def chosen(source: str, asked: Asked, more: Json) -> set[tuple[str, str, str]] | str:
    """The assets that a selection has of a source, or why it has none."""
    found: list[tuple[str, str, str]] = []
    selection = Selection(**{**asked.fields, "limit": 500, **more})

    def save(owner: Item | Collection, _: Any) -> None:
        if isinstance(owner, Item):
            found.extend((owner.collection, owner.id, key) for key in owner.body["assets"])

    try:
        options = Options(selection=selection, retry=replace(AT_ONCE, attempts=2), allow_private=True)
        plan = await plan_only(source, options, save=save)
    except MlhubError as error:
        return f"exit {error.exit_code}: {error.message}"
    if not plan.listing.complete:
        return f"incomplete: {'; '.join(plan.listing.reasons)}"
    return set(found) if len(set(found)) == len(found) else "an item came twice"


async def table(columns: dict[str, Column], items: Sequence[Json], only: Sequence[str]) -> int:
    """Print the table; the number of cells that differ from the oracle."""
    print("| selection | oracle |", " | ".join(columns), "|\n|---|---|", "---|" * len(columns), sep="")
    wrong = 0
    for name, asked in SELECTIONS.items():
        if not any(part in name for part in only):
            continue
        expected = {(*one, "data") for one in asked.identities(items)}
        cells = []
        for found in await asyncio.gather(*(chosen(url, asked, more) for url, more in columns.values())):
            right = found == expected
            wrong += not right
            number = found if isinstance(found, str) else str(len(found))
            cells.append(number if right else f"**{number}**")
        print(f"| {name} | {len(expected)} |", " | ".join(cells), "|", flush=True)
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--items", type=int, default=3000)
    parser.add_argument("--pgstac", type=Path, metavar="FOLDER")
    parser.add_argument("--only", metavar="NAME", action="append", help="a part of the names of selections")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    items = many_items(given.items, NO_HREF)
    collections = [stac_collection(name) for name in ("c1", "c2")]
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        documents = [*collections, {"type": "FeatureCollection", "features": items}]
        columns: dict[str, Column] = {}
        if given.pgstac is not None:
            given.pgstac.mkdir(parents=True, exist_ok=True)
            url = opened.enter_context(pgstac(given.pgstac, items, collections))
            if url is None:
                print("pgstac is left out: PostgreSQL with PostGIS cannot be had here", file=sys.stderr)
            else:
                columns |= {
                    "pgstac POST": (url, {"method": "POST"}),
                    "pgstac GET": (url, {"method": "GET"}),
                    "pgstac": (url, {}),
                    "pgstac --split 4": (url, {"split": 4}),
                }
        columns["rustac"] = opened.enter_context(rustac(folder / "rustac", documents)), {}
        static_catalog_files(folder / "static", items)
        columns["static"] = str(folder / "static" / "catalog.json"), {}
        return int(asyncio.run(table(columns, items, given.only or [""])) > 0)


if __name__ == "__main__":
    raise SystemExit(main())
