"""A certificate authority of our own, made with the openssl program."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

CONFIG = """
[req]
distinguished_name = name
prompt = no
[name]
CN = Troubled
[ca]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = {names}
[dated]
database = index.txt
new_certs_dir = .
default_md = sha256
policy = anyone
unique_subject = no
rand_serial = yes
[anyone]
commonName = supplied
"""

LOCAL = "DNS:localhost,IP:127.0.0.1"


class Authority:
    """Signs certificates; `pem` is what a client has to trust."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pem = folder / "ca.pem"
        self._config("ca", "DNS:unused")
        self._openssl(*self._new("ca", "ca.pem"), "-x509", "-days", "30", "-extensions", "ca")

    def context(
        self, names: str = LOCAL, days: int = 30, *, since: str = "", until: str = ""
    ) -> ssl.SSLContext:
        """A server context with a fresh certificate for these names; `since`, `until`: YYYYMMDD."""
        self._config("leaf", names)
        self._openssl(*self._new("leaf", "leaf.csr"))
        sign = "x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out leaf.pem"
        sign += f" -days {days}"
        if since:
            (self.folder / "index.txt").write_text("")
            sign = "ca -batch -notext -config leaf.cnf -name dated -in leaf.csr -out leaf.pem -cert ca.pem"
            sign += f" -keyfile ca.key -startdate {since}000000Z -enddate {until}000000Z"
        self._openssl(*sign.split(), "-extfile", "leaf.cnf", "-extensions", "leaf")
        return self._serving()

    def without_traceback(self) -> ssl.SSLContext:
        """The same with a certificate that nobody but itself has signed."""
        self._config("leaf", LOCAL)
        self._openssl(*self._new("leaf", "leaf.pem"), "-x509", "-days", "30", "-extensions", "leaf")
        return self._serving()

    def _serving(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "leaf.pem", self.folder / "leaf.key")
        return context

    def _config(self, name: str, names: str) -> None:
        (self.folder / f"{name}.cnf").write_text(CONFIG.format(names=names))

    def _new(self, name: str, out: str) -> list[str]:
        key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
        return ["req", "-new", *key.split(), "-keyout", f"{name}.key", "-out", out, "-config", f"{name}.cnf"]

    def _openssl(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True)
