"""Servers that other projects wrote, each on a loopback port of its own and ended by its own process id.

rustac (a STAC API), nginx, and Python's own file server where nginx is not installed.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.mirrored import wait_for

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/bin")
RUSTAC_SCRIPT = """import sys, rustac
sys.exit(rustac.main())
"""
FILE_SERVER_SCRIPT = """import functools, http.server, os, sys
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 256
class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_):
        os.write(2, f"{self.path}\\n".encode())
handler = functools.partial(Handler, directory="root")
Server(("127.0.0.1", int(sys.argv[1])), handler).serve_forever()
"""
NGINX_CONFIG = """
daemon off; master_process off; worker_processes 1; pid nginx.pid; error_log error.log warn;
events {{ worker_connections 512; }}
http {{
  log_format fields escape=json '{{"path":"$uri","status":$status,"sent":$body_bytes_sent,'
    '"range":"$http_range","if_range":"$http_if_range","encoding":"$sent_http_content_encoding"}}';
  access_log access.log fields; server_tokens off; sendfile on; keepalive_requests 100000;
  types {{ application/json json; text/csv csv; image/tiff tif; }} default_type application/octet-stream;
  client_body_temp_path t/b; proxy_temp_path t/p; fastcgi_temp_path t/f; uwsgi_temp_path t/u;
  scgi_temp_path t/s;
  {http}
  server {{ listen 127.0.0.1:{port}{ssl}; root root; {server} }}
}}
"""


@contextmanager
def reserved_port() -> Iterator[int]:
    """A loopback port for a server that cannot choose a free one itself.

    On Linux the port stays bound, without listening, until the block ends: the system gives it to nobody
    else, and a server that sets SO_REUSEADDR, as all of ours do, can still listen on it.
    """
    with socket.socket() as holder:
        if sys.platform != "win32":  # there the option would let others take a port that is in use
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
        if sys.platform != "linux":
            holder.close()
        yield port


def accepts_connections(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def running(argv: Sequence[object], port: int, log: Path) -> Iterator[None]:
    """The program, from the moment it accepts connections on its port. Its output goes to `log`."""
    with log.open("ab") as output:
        words = [str(word) for word in argv]
        process = subprocess.Popen(
            words, cwd=log.parent, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        wait_for(lambda: process.poll() is not None or accepts_connections(port))
        assert process.poll() is None, log.read_text()
        yield
    finally:
        process.terminate()
        process.wait(60)


@dataclass(frozen=True)
class FileServer:
    """A server of the files in `folder`/root. Its URLs begin with `origin`."""

    folder: Path
    origin: str

    def url(self, path: str = "/") -> str:
        return self.origin + path

    def put(self, path: str, body: bytes, age: float = 3600) -> str:
        """Writes a file that was last changed `age` seconds ago. Returns its URL.

        nginx calls the ETag of a file that is younger than a second weak.
        """
        file = self.folder / "root" / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)
        changed = time.time() - age
        os.utime(file, (changed, changed))
        return self.url(path)

    def json(self, path: str, document: Any, **_: Any) -> str:
        return self.put(path, json.dumps(document).encode())

    def request_count(self, suffix: str) -> int:
        """The number of requests for paths with this suffix."""
        lines = (self.folder / "output.log").read_text().splitlines()
        return sum(line.endswith(suffix) for line in lines)


class Nginx(FileServer):
    """nginx, whose access log has the fields of every request."""

    def log(self, path: str) -> list[dict[str, Any]]:
        """The requests for paths that begin or end with `path`, in the order in which they ended."""
        lines = (self.folder / "access.log").read_text().splitlines()
        entries = map(json.loads, lines)
        return [one for one in entries if one["path"].startswith(path) or one["path"].endswith(path)]

    def request_count(self, suffix: str) -> int:
        return len(self.log(suffix))

    def statuses(self, path: str) -> list[int]:
        """The status codes of those requests."""
        return [entry["status"] for entry in self.log(path)]


@contextmanager
def nginx(
    folder: Path, server: str = "", *, http: str = "", tls: Path | None = None, name: str = "127.0.0.1"
) -> Iterator[Nginx]:
    """nginx with these directives in its `server` and `http` blocks; skips the test where there is none.

    Relative paths in directives start at `folder`. `tls` is a folder with leaf.pem and leaf.key.
    """
    if NGINX is None:
        pytest.skip("nginx is not installed")
    (folder / "root").mkdir(parents=True)
    (folder / "t").mkdir()
    ssl = " ssl; ssl_certificate leaf.pem; ssl_certificate_key leaf.key" if tls else ""
    for file in ("leaf.pem", "leaf.key") if tls else ():
        shutil.copy(tls / file, folder)
    with reserved_port() as port:
        config = NGINX_CONFIG.format(port=port, ssl=ssl, server=server, http=http)
        (folder / "nginx.conf").write_text(config)
        argv = [NGINX, "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "error.log"]
        with running(argv, port, folder / "output.log"):
            yield Nginx(folder, f"{'https' if tls else 'http'}://{name}:{port}")


@contextmanager
def file_server(folder: Path) -> Iterator[FileServer]:
    """nginx, or Python's file server where it is not installed."""
    if NGINX is not None:
        with nginx(folder) as server:
            yield server
        return
    (folder / "root").mkdir(parents=True)
    (folder / "serve.py").write_text(FILE_SERVER_SCRIPT)
    with reserved_port() as port:
        argv = [sys.executable, folder / "serve.py", port]
        with running(argv, port, folder / "output.log"):
            yield FileServer(folder, f"http://127.0.0.1:{port}")


@contextmanager
def rustac(folder: Path, documents: Sequence[Any]) -> Iterator[str]:
    """A STAC API over these collections and item collections, in memory. Yields its root URL."""
    if importlib.util.find_spec("rustac") is None:
        pytest.skip("rustac is not installed")
    folder.mkdir(parents=True)
    for number, document in enumerate(documents):
        (folder / f"{number}.json").write_text(json.dumps(document))
    (folder / "serve.py").write_text(RUSTAC_SCRIPT)
    names = [f"{number}.json" for number in range(len(documents))]
    with reserved_port() as port:
        argv = [sys.executable, folder / "serve.py", "serve", "-a", f"127.0.0.1:{port}", *names]
        with running(argv, port, folder / "output.log"):
            yield f"http://127.0.0.1:{port}"
