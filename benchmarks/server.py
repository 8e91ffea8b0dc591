"""Runs nginx on loopback: configuration, certificate, start and stop."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

CONFIG = """
{modules} daemon off; master_process off; worker_processes 1; pid nginx.pid; error_log error.log warn;
worker_rlimit_nofile 8192;
events {{ worker_connections 4096; multi_accept on; }}
http {{
  log_format sent "$request_uri $status $body_bytes_sent"; access_log {log};
  sendfile on; tcp_nopush on; tcp_nodelay on; server_tokens off;
  keepalive_requests 100000000; keepalive_timeout 75s; types {{ }} default_type application/octet-stream;
  client_body_temp_path t/b; proxy_temp_path t/p;
  fastcgi_temp_path t/f; uwsgi_temp_path t/u; scgi_temp_path t/s;
  map $arg_token $page {{ default ""; "~^[0-9]+$" ".$arg_token"; }}
  map $arg_rate $rate {{ default 0; "~^[0-9]+m$" $arg_rate; }}
  server {{
    listen 127.0.0.1:{port}{tls}; root {root};
    location ~ ^/[a-z]+/files/ {{ autoindex on; limit_rate $rate; {delay} }}
    location @now {{ autoindex on; }}
    location ~ ^/tiny[0-9]+/files/ {{ try_files /tiny.bin =404; }}
    location ~ /stac.*/items {{ default_type application/geo+json; try_files $uri$page.json =404; }}
    location ~ ^(?<document>/[a-z0-9]+/stac.*?)/?$ {{
      default_type application/json; try_files $document.json =404;
    }}
  }}
}}
"""
HINT = "apt-get install nginx-light"
ECHO = Path("/usr/lib/nginx/modules/ngx_http_echo_module.so")
ECHO_HINT = "apt-get install libnginx-mod-http-echo"


@dataclass(frozen=True, slots=True)
class Server:
    """A running nginx. `ca`: the certificate that clients have to trust; None without TLS.

    `delay`: seconds to the first byte of a file.
    """

    base: str
    root: Path
    ca: Path | None
    delay: float


def find() -> str | None:
    """The path of nginx, also where distributions install it for root only; None if it is missing."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/bin")


def version(nginx: str) -> str:
    result = subprocess.run([nginx, "-v"], capture_output=True, text=True, check=True)
    return (result.stderr or result.stdout).strip().rpartition("/")[2]


@contextmanager
def serving(
    nginx: str, work: Path, *, tls: bool = False, delay: float = 0, log: bool = False
) -> Iterator[Server]:
    """Serve work/root on a free port of 127.0.0.1 until the end of the block; files after `delay` seconds.

    `log`: write path, status and bytes of each response to nginx/access.log.
    """
    prefix, root = work / "nginx", work / "root"
    for folder in (prefix / "t", root):
        folder.mkdir(parents=True, exist_ok=True)
    port, ca = _free_port(), _certificate(prefix) if tls else None
    (prefix / "nginx.conf").write_text(_config(port, root, ca, delay, "access.log sent" if log else "off"))
    argv = [nginx, "-p", str(prefix), "-c", str(prefix / "nginx.conf"), "-e", str(prefix / "error.log")]
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
    try:
        _wait(process, port, prefix / "error.log")
        yield Server(f"{'https' if tls else 'http'}://127.0.0.1:{port}", root, ca, delay)
    finally:
        process.terminate()
        process.wait()


def _config(port: int, root: Path, ca: Path | None, delay: float, log: str) -> str:
    return CONFIG.format(
        port=port,
        log=log,
        root=root,
        tls=" ssl; ssl_certificate cert.pem; ssl_certificate_key key.pem" if ca else "",
        modules=f"load_module {ECHO};" if delay else "",
        delay=f"echo_sleep {delay}; echo_exec @now;" if delay else "",
    )


def _certificate(folder: Path) -> Path:
    """A self-signed certificate for 127.0.0.1, which the clients are given to trust."""
    ca = folder / "cert.pem"
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    argv += ["-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    argv += ["-keyout", str(folder / "key.pem"), "-out", str(ca)]
    subprocess.run(argv, check=True, capture_output=True)
    os.chmod(folder / "key.pem", 0o600)
    return ca


def _free_port() -> int:
    """Below the ports that systems assign: another program could get such a one before nginx binds it."""
    while True:
        port = random.SystemRandom().randrange(12_000, 30_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(200):
        if process.poll() is not None:
            raise SystemExit(
                f"nginx did not start: {log.read_text() if log.exists() else process.returncode}"
            )
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise SystemExit(f"nginx does not answer on 127.0.0.1:{port}")
