"""What a server of a mirror is told: the directory, and where it listens."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

DEFAULT_PORT = 8080
LOOPBACK = "127.0.0.1"
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


@dataclass(frozen=True, slots=True)
class ServeConfig:
    """`port` None: the usual one, or any that is free. `host`: a name or an address."""

    dest: Path
    host: str = LOOPBACK
    port: int | None = None

    @property
    def is_loopback(self) -> bool:
        """Whether only programs on this machine can connect."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def names(self) -> frozenset[str]:
        """What a Host field may name, without a port, where the server is on loopback."""
        return LOOPBACK_NAMES | {url_host(self.host)}


def url_host(host: str) -> str:
    """A host as it stands in a URL."""
    return f"[{host}]" if ":" in host else host.lower()
