"""How each program is told to be as careful as it can: retries, a short idle timeout, resume, digests."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from clients import HERE, Client
from fault_rows import Scene

IDLE = 5
TRIES = 10


@dataclass(frozen=True, slots=True)
class Try:
    """One client on one row: what to fetch, a place for it, and one for notes."""

    scene: Scene
    dest: Path
    notes: Path

    def note(self, line: Callable[[str, str, str], str]) -> str:
        """A file with one `line(url, path, digest)` per file; the digest is "" unless one is published."""
        digest = str(self.scene.row.says.get("file:checksum", ""))[4:]
        lines = [
            line(url, f"{item}/data.tif", digest if item == "second" else "")
            for item, url in self.scene.urls.items()
        ]
        path = self.notes / "list"
        path.write_text("".join(lines))
        return str(path)


@dataclass(frozen=True, slots=True)
class Contestant:
    """A client, and how it is called here."""

    client: Client
    argv: Callable[[Try], list[str]]
    below: str = ""


def contestants(known: dict[str, Client], peers: Path) -> list[Contestant]:
    """Those that this matrix knows how to call."""
    script = str(peers.with_name("stac-asset"))
    return [
        Contestant(known["ours"], _ours, below="c1"),
        Contestant(known["stac-asset"], lambda task: _stac_asset(script, task)),
        Contestant(known["parfive"], lambda task: _parfive(str(peers), task)),
        Contestant(known["aria2c"], _aria2c),
        Contestant(known["curl"], _curl),
        Contestant(known["wget"], _wget),
    ]


def _ours(task: Try) -> list[str]:
    program = [sys.executable, "-m", "mlhub_async", "mirror", task.scene.items, str(task.dest)]
    return [*program, "-q", "--timeout", str(IDLE)]


def _stac_asset(script: str, task: Try) -> list[str]:
    options = ["-q", "--http-timeout", str(3 * IDLE), "--http-max-attempts", str(TRIES)]
    return [script, "download", *options, task.scene.items, str(task.dest)]


def _parfive(python: str, task: Try) -> list[str]:
    listing = task.note(lambda url, path, digest: f"{url}\t{path}\t{digest}\n")
    return [python, str(HERE / "stubborn_parfive.py"), listing, str(task.dest), str(IDLE)]


def _aria2c(task: Try) -> list[str]:
    listing = task.note(
        lambda url, path, digest: (
            f"{url}\n  out={path}\n" + (f"  checksum=sha-256={digest}\n" if digest else "")
        )
    )
    options = ["--no-conf", "-q", "-c", "--auto-file-renaming=false", "--file-allocation=none"]
    options += ["-m", str(TRIES), "--retry-wait=1", "-t", str(IDLE), "-d", str(task.dest)]
    return ["aria2c", *options, "-i", listing]


def _curl(task: Try) -> list[str]:
    config = task.note(lambda url, path, _: f'url = "{url}"\noutput = "{task.dest / path}"\n')
    options = [
        "-q",
        "-sS",
        "-f",
        "--create-dirs",
        "-Z",
        "-C",
        "-",
        "--retry",
        str(TRIES),
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
        str(IDLE),
        "-K",
        config,
    ]


def _wget(task: Try) -> list[str]:
    listing = task.note(lambda url, *_: f"{url}\n")
    options = ["--no-config", "-q", "-c", "-x", "-nH", "--cut-dirs=1", "-P", str(task.dest)]
    options += ["-t", str(TRIES), "-T", str(IDLE), "--waitretry=1", "--retry-on-http-error=429,503"]
    return ["wget", *options, "-i", listing]
