"""Servers that nobody here wrote, each on a free loopback port and ended by its own process id.

rustac (a STAC API), nginx, and Python's own file server where there is no nginx.
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.mirrored import wait_for

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/bin")
RUSTAC = """import sys, rustac
sys.exit(rustac.main())
"""
PYTHON = """import functools, http.server, os, sys
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 256
class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_):
        os.write(2, f"{self.path}\\n".encode())
handler = functools.partial(Handler, directory="root")
Server(("127.0.0.1", int(sys.argv[1])), handler).serve_forever()
"""
CONFIG = """
daemon off; master_process off; worker_processes 1; pid nginx.pid; error_log error.log warn;
events {{ worker_connections 512; }}
http {{
  log_format told escape=json '{{"path":"$uri","status":$status,"sent":$body_bytes_sent,'
    '"range":"$http_range","if_range":"$http_if_range","encoding":"$sent_http_content_encoding"}}';
  access_log access.log told; server_tokens off; sendfile on; keepalive_requests 100000;
  types {{ application/json json; text/csv csv; }} default_type application/octet-stream;
  client_body_temp_path t/b; proxy_temp_path t/p; fastcgi_temp_path t/f; uwsgi_temp_path t/u;
  scgi_temp_path t/s;
  server {{ listen 127.0.0.1:{port}{ssl}; root root; {place} }}
}}
"""


def free_port() -> int:
    """One below those that systems hand out, or somebody else may have got it before it is bound."""
    while True:
        port = random.SystemRandom().randrange(12_000, 30_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def running(argv: Sequence[object], port: int, log: Path) -> Iterator[None]:
    """The program, from the moment it answers on its port."""
    with log.open("ab") as said:
        words = [str(word) for word in argv]
        process = subprocess.Popen(words, cwd=log.parent, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
    try:
        wait_for(lambda: process.poll() is not None or answers(port))
        assert process.poll() is None, log.read_text()
        yield
    finally:
        process.terminate()
        process.wait(60)


@dataclass(frozen=True)
class Files:
    """A server of the files in `folder`/root. Its URLs are those of `origin`."""

    folder: Path
    origin: str

    def url(self, path: str = "/") -> str:
        return self.origin + path

    def put(self, path: str, body: bytes, age: float = 3600) -> str:
        """A file that was last changed `age` seconds ago. Gives its URL."""
        place = self.folder / "root" / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(body)
        changed = time.time() - age
        os.utime(place, (changed, changed))
        return self.url(path)

    def json(self, path: str, document: Any, **_: Any) -> str:
        return self.put(path, json.dumps(document).encode())

    def asked(self, ending: str) -> int:
        """How often paths that end so were asked for."""
        lines = (self.folder / "said.log").read_text().splitlines()
        return sum(line.endswith(ending) for line in lines)


class Nginx(Files):
    """One that tells more of every request."""

    def log(self, ending: str) -> list[dict[str, Any]]:
        """The requests for paths that end so, in the order in which they ended."""
        lines = (self.folder / "access.log").read_text().splitlines()
        return [told for told in map(json.loads, lines) if told["path"].endswith(ending)]

    def asked(self, ending: str) -> int:
        return len(self.log(ending))


@contextmanager
def nginx(
    folder: Path, place: str = "", *, tls: Path | None = None, name: str = "127.0.0.1"
) -> Iterator[Nginx]:
    """nginx with these directives for its server; `tls` is a folder with leaf.pem and leaf.key."""
    if NGINX is None:
        pytest.skip("nginx is not here")
    port = free_port()
    (folder / "root").mkdir(parents=True)
    (folder / "t").mkdir()
    ssl = " ssl; ssl_certificate leaf.pem; ssl_certificate_key leaf.key" if tls else ""
    for file in ("leaf.pem", "leaf.key") if tls else ():
        shutil.copy(tls / file, folder)
    (folder / "nginx.conf").write_text(CONFIG.format(port=port, ssl=ssl, place=place))
    argv = [NGINX, "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "error.log"]
    with running(argv, port, folder / "said.log"):
        yield Nginx(folder, f"{'https' if tls else 'http'}://{name}:{port}")


@contextmanager
def some_files(folder: Path) -> Iterator[Files]:
    """nginx, or Python's file server."""
    if NGINX is not None:
        with nginx(folder) as server:
            yield server
        return
    port = free_port()
    (folder / "root").mkdir(parents=True)
    (folder / "serve.py").write_text(PYTHON)
    with running([sys.executable, folder / "serve.py", port], port, folder / "said.log"):
        yield Files(folder, f"http://127.0.0.1:{port}")


@contextmanager
def rustac(folder: Path, documents: Sequence[Any]) -> Iterator[str]:
    """A STAC API over these collections and item collections, in memory. Gives its root URL."""
    if importlib.util.find_spec("rustac") is None:
        pytest.skip("rustac is not here: pip install rustac")
    folder.mkdir(parents=True)
    for number, document in enumerate(documents):
        (folder / f"{number}.json").write_text(json.dumps(document))
    (folder / "serve.py").write_text(RUSTAC)
    port = free_port()
    names = [f"{number}.json" for number in range(len(documents))]
    argv = [sys.executable, folder / "serve.py", "serve", "-a", f"127.0.0.1:{port}", *names]
    with running(argv, port, folder / "said.log"):
        yield f"http://127.0.0.1:{port}"
