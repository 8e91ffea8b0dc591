"""Measures a start: CPU and modules of `import mlhub_async`, `--help` and a mirror of one item.

    python benchmarks/startup.py                                    this checkout, 20 rounds
    python benchmarks/startup.py --old OLD/.venv/bin/python         and another one, in interleaved rounds

The item and its only asset are served on loopback by this process. `tests/house/test_startup.py` bounds the
modules.
"""

from __future__ import annotations

import argparse
import http.server
import json
import statistics
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import measure

MAIN = "from mlhub_async.__main__ import main; main()"
COUNTED = "import atexit, sys; atexit.register(lambda: print('modules', len(sys.modules), file=sys.stderr))"


class _OneItem(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        host, port = self.server.server_address[:2]
        item = {
            "type": "Feature",
            "stac_version": "1.0.0",
            "id": "one",
            "collection": "start",
            "geometry": None,
            "properties": {"datetime": "2020-01-01T00:00:00Z"},
            "links": [],
            "assets": {"data": {"href": f"http://{host}:{port}/data.bin"}},
        }
        body = bytes(1000) if self.path == "/data.bin" else json.dumps(item).encode()
        head = f'HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nETag: "1"\r\n\r\n'
        self.wfile.write(head.encode() + body)

    def log_message(self, *_: object) -> None:
        """Nothing: the output is the table."""


@contextmanager
def serving() -> Iterator[str]:
    """The URL of the item."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _OneItem) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/item.json"
        server.shutdown()


def once(python: str, code: str, words: list[str], folder: Path) -> tuple[float, int]:
    """CPU seconds, and the number of modules at the end."""
    log = folder / "log"
    cost = measure.run([python, "-P", "-c", f"{COUNTED}\n{code}", *words], log, {}, 60)
    if cost.code:
        raise SystemExit(log.read_text(errors="replace"))
    return cost.cpu, int(log.read_text(errors="replace").rpartition("modules ")[2])


def table(pythons: Mapping[str, str], rounds: int) -> None:
    with serving() as url, tempfile.TemporaryDirectory(prefix="mlhub-startup-") as name:
        folder = Path(name)
        cases = {"import": ("import mlhub_async", []), "help": (MAIN, ["--help"]), "mirror": (MAIN, [])}
        for what, (code, words) in cases.items():
            found: dict[str, list[tuple[float, int]]] = {one: [] for one in pythons}
            for number in range(rounds):
                for one, python in pythons.items():
                    dest = str(folder / f"{one}{number}")
                    given = ["mirror", url, dest] if what == "mirror" else words
                    found[one].append(once(python, code, given, folder))
            for one, runs in found.items():
                cpu = statistics.median(seconds for seconds, _ in runs)
                print(f"{what:7} {one:4} {1000 * cpu:6.0f} ms CPU, {runs[-1][1]} modules")
            if len(found) == 2:
                ratios = [new[0] / old[0] for new, old in zip(*found.values(), strict=True)]
                print(f"{what:7} this / old: {statistics.median(ratios):.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--old", metavar="PYTHON", help="of an environment with another version")
    parser.add_argument("--rounds", type=int, default=20)
    args = parser.parse_args()
    table({"this": sys.executable, **({"old": args.old} if args.old else {})}, args.rounds)


if __name__ == "__main__":
    main()
