"""Servers of files that people use, each started on a loopback port, with a way to put a file there.

`SERVERS` has them by name. `start` raises `NotInstalled` for one whose program is not there.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import importlib.util
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

from support.counterparts import FILE_SERVER_SCRIPT, NGINX_CONFIG, reserved_port, running

SBIN = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
Put = Callable[[str, bytes, float], None]
"""Puts a file of this name there, last changed so many seconds ago where the server lets one say so."""


class NotInstalled(Exception):
    """The program of a server is not there; the text names it."""


@dataclass(frozen=True)
class Served:
    """A server that runs: the files are at http://127.0.0.1:{port}{prefix}{name}."""

    port: int
    prefix: str
    put: Put

    def get(self, name: str) -> bytes | None:
        """What the server has under this name now, asked for without any condition; None if it does not
        send all that it announces."""
        try:
            return request(self.port, "GET", self.prefix + name)
        except http.client.IncompleteRead:
            return None


def request(
    port: int, method: str, path: str, body: bytes | None = None, fields: Mapping[str, str] | None = None
) -> bytes:
    """The body of an answer; raises OSError for an error status."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, dict(fields or {}))
        answer = connection.getresponse()
        data = answer.read()
        if answer.status >= 400:
            raise OSError(f"{method} {path}: {answer.status} {data[:200]!r}")
        return data
    finally:
        connection.close()


def program(name: str) -> str:
    if (found := shutil.which(name, path=SBIN)) is None:
        raise NotInstalled(name)
    return found


def put_in_folder(folder: Path) -> Put:
    """The file is replaced as a whole, as a careful publisher does it."""

    def put(name: str, body: bytes, age: float) -> None:
        new = folder / f".{name}.new"
        new.write_bytes(body)
        changed = time.time() - age
        os.utime(new, (changed, changed))
        os.replace(new, folder / name)

    return put


Argv = Callable[[Path, int], Sequence[object]]
"""The words that start a server of the files in `folder`/root/index on a port."""


def folder_server(argv: Argv, prefix: str = "/index/") -> Callable[[Path], Iterator[Served]]:
    """A server of a folder. Its files are there before it starts: `Server.start` puts them first."""

    def start(folder: Path) -> Iterator[Served]:
        with reserved_port() as port, running(argv(folder, port), port, folder / "output.log"):
            yield Served(port, prefix, put_in_folder(folder / "root" / "index"))

    return start


def config(folder: Path, text: str, name: str = "config") -> Path:
    (folder / name).write_text(text)
    return folder / name


def nginx(folder: Path, port: int) -> Sequence[object]:
    (folder / "t").mkdir(exist_ok=True)
    text = NGINX_CONFIG.format(port=port, ssl="", server="", http="")
    file = config(folder, text, "nginx.conf")
    return [program("nginx"), "-p", folder, "-c", file, "-e", folder / "error.log"]


def nginx_without_etag(folder: Path, port: int) -> Sequence[object]:
    words = nginx(folder, port)
    file = folder / "nginx.conf"
    file.write_text(file.read_text().replace("root root;", "root root; etag off;"))
    return words


APACHE_CONFIG = """
ServerRoot {folder}
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {folder}/apache.pid
ErrorLog {folder}/error.log
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
DocumentRoot {folder}/root
<Directory {folder}/root>
Require all granted
</Directory>
"""


def apache(folder: Path, port: int) -> Sequence[object]:
    found = program("apache2")
    modules = "/usr/lib/apache2/modules"
    file = config(folder, APACHE_CONFIG.format(folder=folder, port=port, modules=modules))
    return [found, "-DFOREGROUND", "-f", file]


def lighttpd(folder: Path, port: int) -> Sequence[object]:
    text = f'server.document-root = "{folder}/root"\nserver.port = {port}\nserver.bind = "127.0.0.1"\n'
    text += 'mimetype.assign = (".tif" => "image/tiff")\n'  # without a type it sends no validator
    return [program("lighttpd"), "-D", "-f", config(folder, text)]


CADDY_CONFIG = """{{
  admin off
  storage file_system {folder}/data
}}
http://127.0.0.1:{port} {{
  root * {folder}/root
  file_server
}}
"""


def caddy(folder: Path, port: int) -> Sequence[object]:
    file = config(folder, CADDY_CONFIG.format(folder=folder, port=port))
    return [program("caddy"), "run", "--config", file, "--adapter", "caddyfile"]


RCLONE_KEYS = ("AKIDEXAMPLE", "a-secret-of-rclone")


def rclone(kind: str, *more: str) -> Argv:
    def argv(folder: Path, port: int) -> Sequence[object]:
        help_of_serve = [program("rclone"), "serve", "--help"]
        told = subprocess.run(help_of_serve, capture_output=True, text=True, timeout=60, check=True).stdout
        if f"\n  {kind} " not in told:
            raise NotInstalled(f"an rclone that serves {kind}")
        return [program("rclone"), "serve", kind, "--addr", f"127.0.0.1:{port}", *more, folder / "root"]

    return argv


def node(name: str, *words: str) -> Argv:
    """Words may have the fields {root} and {port}."""

    def argv(folder: Path, port: int) -> Sequence[object]:
        return [program(name), *(word.format(root=folder / "root", port=port) for word in words)]

    return argv


AIOHTTP_SCRIPT = """import sys
from aiohttp import web
app = web.Application()
app.add_routes([web.static("/", "root")])
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)
"""
STARLETTE_SCRIPT = """from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
app = Starlette(routes=[Mount("/", StaticFiles(directory="root"))])
"""

TORNADO_SCRIPT = """
import asyncio, sys
from tornado.web import Application, StaticFileHandler


async def main():
    Application([("/(.*)", StaticFileHandler, {"path": "root"})]).listen(int(sys.argv[1]), "127.0.0.1")
    await asyncio.Event().wait()


asyncio.run(main())
"""


def aiohttp(folder: Path, port: int) -> Sequence[object]:
    if importlib.util.find_spec("aiohttp") is None:
        raise NotInstalled("aiohttp")
    return [sys.executable, config(folder, AIOHTTP_SCRIPT, "serve.py"), port]


def tornado(folder: Path, port: int) -> Sequence[object]:
    if importlib.util.find_spec("tornado") is None:
        raise NotInstalled("tornado")
    return [sys.executable, config(folder, TORNADO_SCRIPT, "serve.py"), port]


def starlette(folder: Path, port: int) -> Sequence[object]:
    config(folder, STARLETTE_SCRIPT, "served.py")
    return [program("uvicorn"), "--app-dir", folder, "--port", port, "--log-level", "error", "served:app"]


def python(folder: Path, port: int) -> Sequence[object]:
    return [sys.executable, config(folder, FILE_SERVER_SCRIPT, "serve.py"), port]


def behind_nginx(proxy: Callable[[Path, int, int], Sequence[object]]) -> Callable[[Path], Iterator[Served]]:
    """A caching proxy in front of nginx: words from its folder, its port and that of nginx."""

    def start(folder: Path) -> Iterator[Served]:
        back = folder / "back"
        (back / "root").mkdir(parents=True)
        shutil.copytree(folder / "root", back / "root", dirs_exist_ok=True)
        with (
            reserved_port() as origin,
            reserved_port() as port,
            running(nginx(back, origin), origin, back / "output.log"),
            running(proxy(folder, port, origin), port, folder / "output.log"),
        ):
            yield Served(port, "/index/", put_in_folder(back / "root" / "index"))

    return start


def varnish(folder: Path, port: int, origin: int) -> Sequence[object]:
    addresses = ["-a", f"127.0.0.1:{port}", "-b", f"127.0.0.1:{origin}"]
    return [program("varnishd"), "-F", *addresses, "-n", folder / "work", "-s", "malloc,256m"]


SQUID_CONFIG = """
http_port 127.0.0.1:{port} accel defaultsite=localhost
cache_peer 127.0.0.1 parent {origin} 0 no-query originserver
http_access allow all
cache_mem 64 MB
maximum_object_size_in_memory 16 MB
shutdown_lifetime 0 seconds
pid_filename none
access_log none
cache_log {folder}/cache.log
coredump_dir {folder}
netdb_filename none
"""


def squid(folder: Path, port: int, origin: int) -> Sequence[object]:
    for path in (folder, *folder.rglob("*")):
        path.chmod(path.stat().st_mode | stat.S_IRWXO)
    text = SQUID_CONFIG.format(folder=folder, port=port, origin=origin)
    return [program("squid"), "-N", "-f", config(folder, text, "squid.conf")]


def moto(folder: Path) -> Iterator[Served]:
    found = program("moto_server")
    with (
        reserved_port() as port,
        running([found, "-H", "127.0.0.1", "-p", port], port, folder / "output.log"),
    ):

        def put(name: str, body: bytes, _age: float) -> None:
            request(port, "PUT", f"/bucket/{name}", body, {"x-amz-acl": "public-read"})

        request(port, "PUT", "/bucket")
        yield Served(port, "/bucket/", put)


def gcp_storage_emulator(folder: Path) -> Iterator[Served]:
    found = program("gcp-storage-emulator")
    with reserved_port() as port:
        words = ["start", "--host=127.0.0.1", f"--port={port}", "--in-memory", "--default-bucket=bucket"]
        with running([found, *words], port, folder / "output.log"):

            def put(name: str, body: bytes, _age: float) -> None:
                path = f"/upload/storage/v1/b/bucket/o?uploadType=media&name={name}"
                request(port, "POST", path, body, {"content-type": "application/octet-stream"})

            yield Served(port, "/bucket/", put)


AZURE_ACCOUNT = "table"
AZURE_KEY = hashlib.sha512(b"of a server that ends with the test").digest()


def azurite(folder: Path) -> Iterator[Served]:
    found = program("azurite-blob")
    account = f"AZURITE_ACCOUNTS={AZURE_ACCOUNT}:{base64.b64encode(AZURE_KEY).decode()}"
    words = ["--location", folder / "work", "--skipApiVersionCheck", "--silent", "--disableTelemetry"]
    with reserved_port() as port:
        address = ["--blobHost", "127.0.0.1", "--blobPort", port]
        argv = [program("env"), account, found, *address, *words]
        with running(argv, port, folder / "output.log"):

            def put(name: str, body: bytes, _age: float) -> None:
                azure_put(port, f"box/{name}", "", body, {"x-ms-blob-type": "BlockBlob"})

            azure_put(port, "box", "restype=container", b"", {"x-ms-blob-public-access": "container"})
            yield Served(port, f"/{AZURE_ACCOUNT}/box/", put)


def azure_put(port: int, path: str, query: str, body: bytes, fields: Mapping[str, str]) -> None:
    """A PUT that is signed with the key of the account (Shared Key of Azure Storage)."""
    about = {**fields, "x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-12-02"}
    length, kind = str(len(body) or ""), "application/octet-stream"
    said = ["PUT", "", "", length, "", kind, "", "", "", "", "", ""]
    said += [f"{name}:{about[name]}" for name in sorted(about)]
    said += [f"/{AZURE_ACCOUNT}/{AZURE_ACCOUNT}/{path}" + ("\n" + query.replace("=", ":") if query else "")]
    signed = hmac.new(AZURE_KEY, "\n".join(said).encode(), hashlib.sha256).digest()
    about |= {"authorization": f"SharedKey {AZURE_ACCOUNT}:{base64.b64encode(signed).decode()}"}
    target = f"/{AZURE_ACCOUNT}/{path}" + (f"?{query}" if query else "")
    request(port, "PUT", target, body, {**about, "content-type": kind, "content-length": str(len(body))})


STORES: dict[str, Callable[[Path], Iterator[Served]]] = {
    "moto (S3)": moto,
    "azurite": azurite,
    "gcp-storage-emulator": gcp_storage_emulator,
}
"""Servers that have no folder: everything is put there by requests."""
SERVERS: dict[str, Callable[[Path], Iterator[Served]]] = {
    "nginx": folder_server(nginx),
    "nginx without ETag": folder_server(nginx_without_etag),
    "apache2": folder_server(apache),
    "lighttpd": folder_server(lighttpd),
    "caddy": folder_server(caddy),
    "varnish before nginx": behind_nginx(varnish),
    "squid before nginx": behind_nginx(squid),
    "python http.server": folder_server(python),
    "aiohttp": folder_server(aiohttp),
    "starlette": folder_server(starlette),
    "tornado": folder_server(tornado),
    "sirv": folder_server(node("sirv", "{root}", "--host", "127.0.0.1", "--port", "{port}", "--quiet")),
    "sirv --dev": folder_server(
        node("sirv", "{root}", "--dev", "--host", "127.0.0.1", "--port", "{port}", "--quiet")
    ),
    "http-server": folder_server(node("http-server", "{root}", "-a", "127.0.0.1", "-p", "{port}", "-s")),
    "serve": folder_server(node("serve", "{root}", "-l", "tcp://127.0.0.1:{port}", "-n", "-L")),
    "rclone serve http": folder_server(rclone("http")),
    "rclone serve webdav": folder_server(rclone("webdav")),
    "rclone serve s3": folder_server(rclone("s3")),
    "rclone serve s3 with keys": folder_server(rclone("s3", "--auth-key", ",".join(RCLONE_KEYS))),
    "rclone serve restic": folder_server(rclone("restic")),
    **STORES,
}


@contextmanager
def start(name: str, folder: Path, files: Mapping[str, bytes]) -> Iterator[Served]:
    """The server of this name, with these files of an hour ago, from when it answers to when it has ended."""
    root = folder / "root" / "index"
    root.mkdir(parents=True)
    put = put_in_folder(root)
    for file, body in files.items():
        put(file, body, 3600)
    with contextmanager(SERVERS[name])(folder) as served:
        for file, body in files.items() if name in STORES else ():
            served.put(file, body, 3600)
        yield served
