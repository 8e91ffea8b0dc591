"""Hides how each program is told to make the same copy: its command line, its version, its absence."""

from __future__ import annotations

import compileall
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from corpus import File

import mlhub_async

HERE = Path(__file__).parent
WORKERS = 64


@dataclass(frozen=True, slots=True)
class Task:
    """One copy to be made: the catalogue, the files it leads to, a place for them and one for notes."""

    stac: str
    files_url: str
    files: Sequence[File]
    items: Path
    dest: Path
    work: Path
    ca: Path | None = None

    def part(self, share: float) -> Task:
        """The same for the first of the files only."""
        return replace(self, files=self.files[: max(1, round(len(self.files) * share))])

    def note(self, name: str, line: Callable[[str, str], str]) -> str:
        """A file with one `line(url, path)` per file, for programs that take such a list."""
        path = self.work / name
        path.write_text("".join(line(f"{self.files_url}/{file.path}", file.path) for file in self.files))
        return str(path)

    def trust(self, option: str) -> list[str]:
        return [option, str(self.ca)] if self.ca else []


@dataclass(frozen=True, slots=True)
class Client:
    """A program to be measured. `below` is where it puts ITEM/NAME under the destination.

    `part`: of one that takes minutes, only this share of the files is measured, and scaled up.
    """

    name: str
    probe: Sequence[str]
    hint: str
    copy: Callable[[Task], list[str]]
    below: str = ""
    env: Callable[[Task], Mapping[str, str]] = field(default=lambda _: {})
    part: float = 1.0

    def version(self) -> str | None:
        """What the installed program says it is, or None where it is not there or does not start."""
        try:
            said = subprocess.run(self.probe, capture_output=True, text=True, timeout=30, check=True)
        except (OSError, subprocess.SubprocessError):
            return None
        words = (said.stdout or said.stderr).split("\n")[0].split()
        return next((word.strip(",") for word in words if word.lstrip("vV")[:1].isdigit()), "present")


def known(peers: Path) -> dict[str, Client]:
    """Every client by name. `peers` is the Python that has stac-asset and parfive."""
    return {client.name: client for client in [*_programs(), *_python_peers(peers)]}


def _programs() -> list[Client]:
    us = [sys.executable, "-m", "mlhub_async", "--version"]
    to_have_us = f"{sys.executable} -m pip install ."
    return [
        Client("ours", us, to_have_us, _ours, below="bench"),
        Client("ours-aiohttp", us, to_have_us, _ours_on_aiohttp, below="bench"),
        Client("curl", ["curl", "--version"], "apt-get install curl", _curl),
        Client("curl+sha256sum", ["curl", "--version"], "apt-get install curl coreutils", _curl_and_digests),
        Client("wget2", ["wget2", "--version"], "apt-get install wget2", _wget2),
        Client("wget", ["wget", "--version"], "apt-get install wget", _wget),
        Client("aria2c", ["aria2c", "--version"], "apt-get install aria2", _aria2c),
        Client("rclone", ["rclone", "version"], "apt-get install rclone", _rclone),
        Client(
            "aiohttp",
            [sys.executable, "-c", "import aiohttp; print(aiohttp.__version__)"],
            f"{sys.executable} -m pip install aiohttp",
            _aiohttp,
        ),
        Client(
            "requests",
            [sys.executable, "-c", "import requests; print(requests.__version__)"],
            f"{sys.executable} -m pip install requests",
            _requests,
            part=0.1,
        ),
        Client("cp", ["cp", "--version"], "apt-get install coreutils", _cp),
    ]


def _python_peers(peers: Path) -> list[Client]:
    stac_asset = peers.with_name("stac-asset")
    return [
        Client(
            "stac-asset",
            [
                str(peers),
                "-c",
                "import stac_asset._cli, importlib.metadata as m; print(m.version('stac-asset'))",
            ],
            "python -m venv PEERS && PEERS/bin/pip install 'stac-asset[cli]', "
            "then --stac-asset-python PEERS/bin/python",
            lambda task: _stac_asset(stac_asset, task),
            env=_trusting,
        ),
        Client(
            "parfive",
            [str(peers), "-c", "import parfive; print(parfive.__version__)"],
            "python -m venv PEERS && PEERS/bin/pip install parfive, "
            "then --stac-asset-python PEERS/bin/python",
            lambda task: _parfive(peers, task),
            env=_trusting,
        ),
    ]


def present(clients: Sequence[Client]) -> dict[str, str]:
    """The versions of those that are there; those that are not are named, with the way to get them."""
    compile_ours()
    versions = {}
    for client in clients:
        if version := client.version():
            scaled = f", {client.part:.0%} scaled up" if client.part < 1 else ""
            versions[client.name] = version + scaled
        else:
            print(f"{client.name} is not here and is left out. To have it: {client.hint}", file=sys.stderr)
    return versions


def compile_ours() -> None:
    """As pip does it when it installs: what runs from a checkout must not compile itself at each start."""
    compileall.compile_dir(str(Path(mlhub_async.__file__).parent), quiet=2)


def _ours(task: Task) -> list[str]:
    program = [sys.executable, "-m", "mlhub_async", "mirror", task.stac, str(task.dest)]
    return [*program, "-c", "bench", "--durability", "process", "-q", *task.trust("--ca-file")]


def _ours_on_aiohttp(task: Task) -> list[str]:
    return [*_ours(task), "--transport", "aiohttp"]


def _curl(task: Task) -> list[str]:
    config = task.note("curl", lambda url, path: f'url = "{url}"\noutput = "{task.dest / path}"\n')
    options = ["-q", "-sS", "-f", "--create-dirs", "-Z", "--parallel-max", str(WORKERS)]
    return ["curl", *options, *task.trust("--cacert"), "-K", config]


def _curl_and_digests(task: Task) -> list[str]:
    script = '"$@" && cd "$DEST" && find . -type f -print0 | xargs -0 sha256sum > SHA256SUMS'
    return ["env", f"DEST={task.dest}", "sh", "-c", script, "sh", *_curl(task)]


def _wget2(task: Task) -> list[str]:
    listing = task.note("wget2", lambda url, path: f"{url}\n")
    depth = task.files_url.count("/") - 2
    options = ["--no-config", "-q", "--no-hsts", "--no-robots", "--max-threads", "16", "-x", "-nH"]
    options += ["--cut-dirs", str(depth), "-P", str(task.dest), *task.trust("--ca-certificate")]
    return ["wget2", *options, "-i", listing]


def _wget(task: Task) -> list[str]:
    listing = task.note("wget", lambda url, path: f"{url}\n")
    depth = task.files_url.count("/") - 2
    options = ["--no-config", "-q", "-x", "-nH", "--cut-dirs", str(depth), "-P", str(task.dest)]
    return ["wget", *options, *task.trust("--ca-certificate"), "-i", listing]


def _aria2c(task: Task) -> list[str]:
    listing = task.note("aria2c", lambda url, path: f"{url}\n  out={path}\n")
    options = ["--no-conf", "-q", "-c", "--auto-file-renaming=false", "--file-allocation=none"]
    options += ["-d", str(task.dest), f"-j{WORKERS}", *task.trust("--ca-certificate")]
    return ["aria2c", *options, "-i", listing]


def _rclone(task: Task) -> list[str]:
    options = ["--config", os.devnull, "--transfers", str(WORKERS), "--checkers", str(WORKERS)]
    options += ["--http-url", f"{task.files_url}/", *task.trust("--ca-cert")]
    return ["rclone", "copy", ":http:", str(task.dest), *options]


def _aiohttp(task: Task) -> list[str]:
    return _script("plain_aiohttp.py", task)


def _requests(task: Task) -> list[str]:
    return _script("plain_requests.py", task)


def _script(name: str, task: Task) -> list[str]:
    listing = task.note(name, lambda url, path: f"{url}\t{path}\n")
    ca = [str(task.ca)] if task.ca else []
    return [sys.executable, str(HERE / name), listing, str(task.dest), *ca]


def _stac_asset(program: Path, task: Task) -> list[str]:
    options = ["-q", "--max-concurrent-downloads", str(WORKERS)]
    return [str(program), "download", *options, str(task.items), str(task.dest)]


def _parfive(python: Path, task: Task) -> list[str]:
    listing = task.note("parfive", lambda url, path: f"{url}\t{path}\n")
    return [str(python), str(HERE / "plain_parfive.py"), listing, str(task.dest)]


def _cp(task: Task) -> list[str]:
    return ["cp", "-r", f"{task.items.parent / 'files'}/.", str(task.dest)]


def _trusting(task: Task) -> Mapping[str, str]:
    return {"SSL_CERT_FILE": str(task.ca)} if task.ca else {}


def locate(python: str) -> Path:
    """The Python of the peers as a full path, not resolved: a venv is known by where its link stands."""
    return Path(shutil.which(python) or python).absolute()
