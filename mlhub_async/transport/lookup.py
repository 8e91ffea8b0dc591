"""What it means that a host name was not resolved, the same for every transport."""

from __future__ import annotations

import socket

from ..errors import Transient


def unresolved(code: int | None, where: str) -> Transient:
    """A name may not be known everywhere yet; a resolver that does not answer may be back soon."""
    if code == socket.EAI_AGAIN:
        return Transient(f"{where}: the host name cannot be looked up at present (EAI_AGAIN)", kind="dns")
    return Transient(f"{where}: host name not found", kind="dns", tries=3)
