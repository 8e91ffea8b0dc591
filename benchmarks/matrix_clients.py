"""The command line of each program for the fault matrix: retries, short idle timeout, resume, digests."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from clients import HERE, Client
from matrix_rows import Scene

IDLE_SECONDS = 5
ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Attempt:
    """One client on one row: what to fetch, the destination, and a directory for lists."""

    scene: Scene
    dest: Path
    work: Path

    def write_list(self, line: Callable[[str, str, str], str]) -> str:
        """Write a file with one `line(url, path, digest)` per file; the digest is "" if none is published."""
        digest = str(self.scene.row.published.get("file:checksum", ""))[4:]
        lines = [
            line(url, f"{item}/data.tif", digest if item == "second" else "")
            for item, url in self.scene.urls.items()
        ]
        path = self.work / "list"
        path.write_text("".join(lines))
        return str(path)


@dataclass(frozen=True, slots=True)
class MatrixClient:
    """A client with its command line here. `below`: where it puts files under the destination."""

    client: Client
    argv: Callable[[Attempt], list[str]]
    below: str = ""


def matrix_clients(known: dict[str, Client], peers: Path) -> list[MatrixClient]:
    """The clients that have a command line for the matrix."""
    script = str(peers.with_name("stac-asset"))
    return [
        MatrixClient(known["ours"], _ours, below="c1"),
        MatrixClient(known["stac-asset"], lambda task: _stac_asset(script, task)),
        MatrixClient(known["parfive"], lambda task: _parfive(str(peers), task)),
        MatrixClient(known["aria2c"], _aria2c),
        MatrixClient(known["curl"], _curl),
        MatrixClient(known["wget"], _wget),
    ]


def _ours(task: Attempt) -> list[str]:
    program = [sys.executable, "-m", "mlhub_async", "mirror", task.scene.items, str(task.dest)]
    return [*program, "-q", "--timeout", str(IDLE_SECONDS)]


def _stac_asset(script: str, task: Attempt) -> list[str]:
    options = ["-q", "--http-timeout", str(3 * IDLE_SECONDS), "--http-max-attempts", str(ATTEMPTS)]
    return [script, "download", *options, task.scene.items, str(task.dest)]


def _parfive(python: str, task: Attempt) -> list[str]:
    listing = task.write_list(lambda url, path, digest: f"{url}\t{path}\t{digest}\n")
    return [python, str(HERE / "retrying_parfive.py"), listing, str(task.dest), str(IDLE_SECONDS)]


def _aria2c(task: Attempt) -> list[str]:
    listing = task.write_list(
        lambda url, path, digest: (
            f"{url}\n  out={path}\n" + (f"  checksum=sha-256={digest}\n" if digest else "")
        )
    )
    options = ["--no-conf", "-q", "-c", "--auto-file-renaming=false", "--file-allocation=none"]
    options += ["-m", str(ATTEMPTS), "--retry-wait=1", "-t", str(IDLE_SECONDS), "-d", str(task.dest)]
    return ["aria2c", *options, "-i", listing]


def _curl(task: Attempt) -> list[str]:
    config = task.write_list(lambda url, path, _: f'url = "{url}"\noutput = "{task.dest / path}"\n')
    options = [
        "-q",
        "-sS",
        "-f",
        "--create-dirs",
        "-Z",
        "-C",
        "-",
        "--retry",
        str(ATTEMPTS),
        "--retry-all-errors",
    ]
    return [
        "curl",
        *options,
        "--retry-delay",
        "1",
        "--speed-limit",
        "1",
        "--speed-time",
        str(IDLE_SECONDS),
        "-K",
        config,
    ]


def _wget(task: Attempt) -> list[str]:
    listing = task.write_list(lambda url, *_: f"{url}\n")
    options = ["--no-config", "-q", "-c", "-x", "-nH", "--cut-dirs=1", "-P", str(task.dest)]
    options += [
        "-t",
        str(ATTEMPTS),
        "-T",
        str(IDLE_SECONDS),
        "--waitretry=1",
        "--retry-on-http-error=429,503",
    ]
    return ["wget", *options, "-i", listing]
