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
"""


class Authority:
    """Signs certificates; `pem` is what a client has to trust."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pem = folder / "ca.pem"
        self._config("ca", "DNS:unused")
        self._openssl(*self._new("ca", "ca.pem"), "-x509", "-days", "30", "-extensions", "ca")

    def context(self, names: str = "DNS:localhost,IP:127.0.0.1", days: int = 30) -> ssl.SSLContext:
        """A server context with a fresh certificate for these names."""
        self._config("leaf", names)
        self._openssl(*self._new("leaf", "leaf.csr"))
        sign = "x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out leaf.pem"
        self._openssl(*sign.split(), "-extfile", "leaf.cnf", "-extensions", "leaf", "-days", str(days))
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
