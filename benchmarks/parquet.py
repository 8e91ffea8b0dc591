"""Plans a part of a large stac-geoparquet: CPU, peak memory, and the bytes that are asked for on a server.

    python benchmarks/parquet.py                      1,000,000 rows, a bbox around 1 % of them; five minutes
    python benchmarks/parquet.py --rows 100000        a quick look

    in order    rows that lie beside each other are in one row group of 10,000, as writers that sort make it
    at random   every row group has rows of every place: no statistics leave any of them out
    one group   all rows in one row group, in order

Each is read from this disk and from nginx, by ranges. `tenth` is the peak memory against that for a tenth of
the rows. The exit code is 1 if rows are missed, or if that is above its target, or if more than a tenth of a
file in order is asked for.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import arguments
import measure
import results
import server
from measure import Cost
from table import aligned

LIMIT_SECONDS = 900.0
MEMORY_TARGET = 1.1
BYTES_TARGET = 0.1
GROUP_ROWS = 10_000
LAYOUTS = ("in order", "at random", "one group")
SIDE = 10.0
BLOCKS = 10
"""The rows are points of a square with sides of so many degrees, block by block: each side has so many."""


@dataclass(frozen=True, slots=True)
class Table:
    """A file, its rows, and how many of them lie in the bbox."""

    path: Path
    rows: int
    wanted: int


class Rows:
    """Rows as a writer of stac-geoparquet makes them: four assets, three links, some properties."""

    def __init__(self, count: int) -> None:
        import numpy
        import pyarrow

        self._arrow, self._numpy = pyarrow, numpy
        numbers = numpy.arange(count)
        block, within = numpy.divmod(numbers, max(count // BLOCKS**2, 1))
        side = math.isqrt(max(count // BLOCKS**2, 1))
        self._x = (block % BLOCKS + within % side / side) / BLOCKS * SIDE
        self._y = (block // BLOCKS + within // side / side) / BLOCKS * SIDE
        self._order = numbers
        self.schema = self._group(numpy.arange(1)).schema

    def shuffle(self) -> None:
        self._order = self._numpy.random.default_rng(1).permutation(self._order)

    def inside(self, box: Sequence[float]) -> int:
        west, south, east, north = box
        found = (self._x >= west) & (self._x <= east) & (self._y >= south) & (self._y <= north)
        return int(found.sum())

    def write(self, path: Path, group_rows: int) -> None:
        """Row groups of so many rows, written piece by piece."""
        import pyarrow.parquet

        with pyarrow.parquet.ParquetWriter(path, self.schema, compression="zstd") as writer:
            for begin in range(0, len(self._order), group_rows):
                writer.write_table(self._group(self._order[begin : begin + group_rows]), group_rows)

    def _group(self, numbers: Any) -> Any:
        arrow, ids = self._arrow, [f"S2A_MSIL2A_{number:09}" for number in numbers.tolist()]
        x, y = self._x[numbers], self._y[numbers]
        columns = {
            "type": arrow.array(["Feature"] * len(ids)),
            "stac_version": arrow.array(["1.1.0"] * len(ids)),
            "id": arrow.array(ids),
            "collection": arrow.array(["sentinel-2-l2a"] * len(ids)),
            "geometry": arrow.array(self._points(x, y), arrow.binary()),
            "bbox": arrow.StructArray.from_arrays(
                [arrow.array(values) for values in (x, y, x, y)], ["xmin", "ymin", "xmax", "ymax"]
            ),
            "datetime": arrow.array(
                numbers * 1_000_000 + 1_577_836_800_000_000, arrow.timestamp("us", "UTC")
            ),
            "eo:cloud_cover": arrow.array((numbers % 100).astype("float64")),
            "proj:epsg": arrow.array(32_600 + numbers % 60),
            "platform": arrow.array(["sentinel-2a"] * len(ids)),
            "links": arrow.array([_links(one) for one in ids]),
            "assets": arrow.StructArray.from_arrays([self._asset(ids, key) for key in _ASSETS], _ASSETS),
        }
        return arrow.table(columns)

    def _points(self, x: Any, y: Any) -> list[bytes]:
        import struct

        return [struct.pack("<BIdd", 1, 1, *place) for place in zip(x.tolist(), y.tolist(), strict=True)]

    def _asset(self, ids: Sequence[str], key: str) -> Any:
        arrow = self._arrow
        members = {
            "href": arrow.array([f"https://data.example/{one[:13]}/{one}/{key}.tif" for one in ids]),
            "type": arrow.array(["image/tiff; application=geotiff; profile=cloud-optimized"] * len(ids)),
            "title": arrow.array([f"Band {key} of {one}" for one in ids]),
            "roles": arrow.array([["data", "reflectance"]] * len(ids)),
            "file:checksum": arrow.array([f"1220{os.urandom(32).hex()}" for _ in ids]),
        }
        return arrow.StructArray.from_arrays(list(members.values()), list(members))


def _links(id: str) -> list[dict[str, str]]:
    return [{"rel": rel, "href": f"https://c.example/{id}/{rel}"} for rel in ("self", "parent", "collection")]


FIRST_TIME = 1_577_836_800_000_000
_ASSETS = ["B02", "B03", "B04", "visual"]
BOX = (4.25, 4.25, 5.25, 5.25)
"""A hundredth of the square, in four of its blocks."""


class Bench:
    """Files of each layout below the root of nginx, and their plans."""

    def __init__(self, serving: server.Server, work: Path, count: int) -> None:
        self._serving, self._work, self._count = serving, work, count

    def table(self, layout: str, count: int) -> Table:
        path = self._serving.root / f"{layout.replace(' ', '-')}-{count}.parquet"
        rows = Rows(count)
        if layout == "at random":
            rows.shuffle()
        if not path.exists():
            rows.write(path, count if layout == "one group" else GROUP_ROWS)
        return Table(path, count, rows.inside(BOX))

    def row(self, layout: str, place: str) -> tuple[list[str], bool]:
        """A row of the output, and whether all that was promised is so."""
        tenth, _, _ = self._plan(self.table(layout, self._count // 10), place)
        table = self.table(layout, self._count)
        cost, requests, size = self._plan(table, place)
        memory, whole = cost.rss / tenth.rss, table.path.stat().st_size
        sound = memory <= MEMORY_TARGET or layout == "one group"
        cells = [layout, place, f"{cost.cpu:.1f}", f"{cost.wall:.1f}", f"{cost.rss / 2**20:.0f}"]
        cells += [f"{memory:.2f}", f"{whole / 2**20:.0f}"]
        if place == "nginx":
            cells += [f"{size / 2**20:.1f}", f"{size / whole:.3f}", str(requests)]
            sound &= size <= BYTES_TARGET * whole or layout != "in order"
        return cells, sound

    def _plan(self, table: Table, place: str) -> tuple[Cost, int, int]:
        """What a plan costs, and the requests and bytes that the server has answered."""
        source = f"{self._serving.base}/{table.path.name}" if place == "nginx" else str(table.path)
        log, asked = self._work / "log", self._work / "nginx/access.log"
        begin = asked.stat().st_size if asked.exists() else 0
        box = map(str, BOX)
        argv = [sys.executable, "-m", "mlhub_async", "plan", source, "--json", "--bbox", *box]
        cost = measure.run(argv, log, {}, LIMIT_SECONDS)
        if cost.code or json.loads(log.read_text().splitlines()[-1])["items"] != table.wanted:
            raise SystemExit(f"{argv}: exit {cost.code}, {table.wanted} expected: {log.read_text()[-500:]}")
        sizes = [int(line.rpartition(" ")[2]) for line in asked.read_text()[begin:].splitlines()]
        return cost, len(sizes), sum(sizes)


def main() -> int:
    args = _arguments()
    nginx = arguments.nginx()
    print(results.machine(server.version(nginx)))
    head = [
        "layout",
        "from",
        "CPU, s",
        "wall, s",
        "MiB",
        "tenth",
        "file, MiB",
        "asked, MiB",
        "share",
        "requests",
    ]
    rows, sound = [head], True
    with tempfile.TemporaryDirectory(prefix="mlhub-parquet-", dir=args.tmp) as folder:
        work = Path(folder)
        with server.serving(nginx, work, log=True) as serving:
            bench = Bench(serving, work, args.rows)
            for layout in args.only:
                for place in ("disk", "nginx"):
                    line, fine = bench.row(layout, place)
                    rows.append([*line, *[""] * (len(head) - len(line))])
                    sound &= fine
    print(f"\n{args.rows:,} rows; memory, file and bytes asked for in MiB\n" + "\n".join(aligned(rows)))
    return 0 if sound else 1


def _arguments() -> argparse.Namespace:
    parser = arguments.parser(__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    return arguments.parse(parser, "layout", LAYOUTS)


if __name__ == "__main__":
    sys.exit(main())
