"""The programs that are compared: their command lines for the same copy, their versions, how to get them."""

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
    """One copy to make: the catalogue, its files, the destination, and a directory for lists and logs."""

    stac: str
    files_url: str
    files: Sequence[File]
    items: Path
    dest: Path
    work: Path
    ca: Path | None = None

    def part(self, share: float) -> Task:
        """The same task for a share of the files only."""
        return replace(self, files=self.files[: max(1, round(len(self.files) * share))])

    def write_list(self, name: str, line: Callable[[str, str], str]) -> str:
        """Write a file with one `line(url, path)` per file, for programs that take such a list; its path."""
        path = self.work / name
        path.write_text("".join(line(f"{self.files_url}/{file.path}", file.path) for file in self.files))
        return str(path)

    def trust(self, option: str) -> list[str]:
        """`option` with the certificate to trust, if the server has one."""
        return [option, str(self.ca)] if self.ca else []


@dataclass(frozen=True, slots=True)
class Client:
    """A program to measure. `below`: the directory under the destination where it puts ITEM/NAME.

    `hint`: how to install it. `part`: for a program that takes minutes, the share of the files that is
    measured and scaled up.
    """

    name: str
    probe: Sequence[str]
    hint: str
    copy: Callable[[Task], list[str]]
    below: str = ""
    env: Callable[[Task], Mapping[str, str]] = field(default=lambda _: {})
    part: float = 1.0

    def version(self) -> str | None:
        """The version that the program prints; None if it is not installed or does not start."""
        try:
            result = subprocess.run(self.probe, capture_output=True, text=True, timeout=30, check=True)
        except (OSError, subprocess.SubprocessError):
            return None
        words = (result.stdout or result.stderr).split("\n")[0].split()
        return next((word.strip(",") for word in words if word.lstrip("vV")[:1].isdigit()), "present")


def known(peers: Path) -> dict[str, Client]:
    """Every client by name. `peers` is the Python with stac-asset and parfive."""
    return {client.name: client for client in [*_programs(), *_python_peers(peers)]}


def _programs() -> list[Client]:
    ours = [sys.executable, "-m", "mlhub_async", "--version"]
    hint = f"{sys.executable} -m pip install ."
    return [
        Client("ours", ours, hint, _ours, below="bench"),
        Client("ours-aiohttp", ours, hint, _ours_on_aiohttp, below="bench"),
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
            env=_certificate_env,
        ),
        Client(
            "parfive",
            [str(peers), "-c", "import parfive; print(parfive.__version__)"],
            "python -m venv PEERS && PEERS/bin/pip install parfive, "
            "then --stac-asset-python PEERS/bin/python",
            lambda task: _parfive(peers, task),
            env=_certificate_env,
        ),
    ]


def present(clients: Sequence[Client]) -> dict[str, str]:
    """The versions of those that are installed; the others are named on stderr, with how to get them."""
    compile_ours()
    versions = {}
    for client in clients:
        if version := client.version():
            scaled = f", {client.part:.0%} scaled up" if client.part < 1 else ""
            versions[client.name] = version + scaled
        else:
            print(
                f"{client.name} is not installed and is left out. To install it: {client.hint}",
                file=sys.stderr,
            )
    return versions


def compile_ours() -> None:
    """Compile the package as pip does: a checkout would otherwise be compiled at every start."""
    compileall.compile_dir(str(Path(mlhub_async.__file__).parent), quiet=2)


def _ours(task: Task) -> list[str]:
    program = [sys.executable, "-m", "mlhub_async", "mirror", task.stac, str(task.dest)]
    return [*program, "-c", "bench", "--durability", "process", "-q", *task.trust("--ca-file")]


def _ours_on_aiohttp(task: Task) -> list[str]:
    return [*_ours(task), "--transport", "aiohttp"]


def _curl(task: Task) -> list[str]:
    config = task.write_list("curl", lambda url, path: f'url = "{url}"\noutput = "{task.dest / path}"\n')
    options = ["-q", "-sS", "-f", "--create-dirs", "-Z", "--parallel-max", str(WORKERS)]
    return ["curl", *options, *task.trust("--cacert"), "-K", config]


def _curl_and_digests(task: Task) -> list[str]:
    script = '"$@" && cd "$DEST" && find . -type f -print0 | xargs -0 sha256sum > SHA256SUMS'
    return ["env", f"DEST={task.dest}", "sh", "-c", script, "sh", *_curl(task)]


def _wget2(task: Task) -> list[str]:
    listing = task.write_list("wget2", lambda url, path: f"{url}\n")
    depth = task.files_url.count("/") - 2
    options = ["--no-config", "-q", "--no-hsts", "--no-robots", "--max-threads", "16", "-x", "-nH"]
    options += ["--cut-dirs", str(depth), "-P", str(task.dest), *task.trust("--ca-certificate")]
    return ["wget2", *options, "-i", listing]


def _wget(task: Task) -> list[str]:
    listing = task.write_list("wget", lambda url, path: f"{url}\n")
    depth = task.files_url.count("/") - 2
    options = ["--no-config", "-q", "-x", "-nH", "--cut-dirs", str(depth), "-P", str(task.dest)]
    return ["wget", *options, *task.trust("--ca-certificate"), "-i", listing]


def _aria2c(task: Task) -> list[str]:
    listing = task.write_list("aria2c", lambda url, path: f"{url}\n  out={path}\n")
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
    listing = task.write_list(name, lambda url, path: f"{url}\t{path}\n")
    ca = [str(task.ca)] if task.ca else []
    return [sys.executable, str(HERE / name), listing, str(task.dest), *ca]


def _stac_asset(program: Path, task: Task) -> list[str]:
    options = ["-q", "--max-concurrent-downloads", str(WORKERS)]
    return [str(program), "download", *options, str(task.items), str(task.dest)]


def _parfive(python: Path, task: Task) -> list[str]:
    listing = task.write_list("parfive", lambda url, path: f"{url}\t{path}\n")
    return [str(python), str(HERE / "plain_parfive.py"), listing, str(task.dest)]


def _cp(task: Task) -> list[str]:
    return ["cp", "-r", f"{task.items.parent / 'files'}/.", str(task.dest)]


def _certificate_env(task: Task) -> Mapping[str, str]:
    return {"SSL_CERT_FILE": str(task.ca)} if task.ca else {}


def locate(python: str) -> Path:
    """The Python of the peers as an absolute path; links are kept, since a venv is recognised by its link."""
    return Path(shutil.which(python) or python).absolute()
