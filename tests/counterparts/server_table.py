"""A table of real servers and of what happens to one file of theirs while it is mirrored.

    PYTHONPATH=tests python tests/counterparts/server_table.py
    PYTHONPATH=tests python tests/counterparts/server_table.py --only nginx,azurite --seconds 300

It starts the servers that are installed, each on loopback with a faulty relay in front, and names those that
are not; their programs are looked for on PATH. Every case runs with both transports. The table goes to
stdout as Markdown; the exit code is 1 if a cell is wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from support.file_servers import SERVERS, NotInstalled, start
from support.odd_transfers import CASES, OLD, Cell, Place, outcome

TRANSPORTS = ("fast", "aiohttp")
Row = dict[str, dict[str, Cell]]
"""Case → transport → what came of it."""


def file_name(case: str, transport: str) -> str:
    return f"{list(CASES).index(case)}-{transport}.tif"


async def row(server: str, folder: Path, transports: Iterable[str] = TRANSPORTS) -> Row:
    """All cases with one server. Raises `NotInstalled`."""
    names = {(case, one): file_name(case, one) for case in CASES for one in transports}
    found: Row = {case: {} for case in CASES}
    with start(server, folder, dict.fromkeys(names.values(), OLD)) as served:
        for (case, transport), name in names.items():
            place = Place(served, name, folder / "mirrors" / name, transport)
            found[case][transport] = await outcome(case, place)
    return found


def text(cells: Mapping[str, Cell]) -> str:
    """One word where the transports agree."""
    words = dict.fromkeys(cell.how for cell in cells.values())
    return " / ".join(words) if len(words) == 1 else "; ".join(f"{t}: {c.how}" for t, c in cells.items())


def markdown(rows: Mapping[str, Row]) -> str:
    head = ["server", *CASES]
    lines = [head, ["---"] * len(head)]
    lines += [[server, *(text(found[case]) for case in CASES)] for server, found in rows.items()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(SERVERS), help="names, with commas between")
    parser.add_argument("--seconds", type=float, default=1800, help="no server is started later than that")
    args = parser.parse_args()
    wanted = args.only.split(",")
    rows: dict[str, Row] = {}
    missing: dict[str, str] = {}
    until = time.monotonic() + args.seconds
    for server in wanted:
        if time.monotonic() > until:
            missing[server] = "no time was left"
            continue
        with tempfile.TemporaryDirectory() as folder:
            Path(folder).chmod(0o755)
            try:
                rows[server] = asyncio.run(row(server, Path(folder)))
            except NotInstalled as error:
                missing[server] = f"{error} is not installed"
            except (AssertionError, OSError) as error:
                missing[server] = f"did not start: {str(error)[-200:]}"
        print(server, missing.get(server, "done"), file=sys.stderr)
    print(markdown(rows), *(f"* {server}: {why}" for server, why in missing.items()), sep="\n")
    cells = [cell for found in rows.values() for case in found.values() for cell in case.values()]
    wrong = sum(not cell.right for cell in cells)
    print(f"\n{len(cells)} cells, {wrong} wrong")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
