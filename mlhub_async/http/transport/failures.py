"""What it means that a host was not reached, the same for every transport, and who may veto an address."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable

from ...core.errors import LocalShortage, Transient

AddressCheck = Callable[[str, int, str], None]
"""Called with host, port and address before anybody connects; raises where nobody may."""
_LOCAL_SHORTAGE = frozenset({errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOMEM})


def resolution_error(code: int | None, where: str) -> Transient:
    """A name may not be known everywhere yet; a resolver that does not answer may be back soon."""
    if code == socket.EAI_AGAIN:
        return Transient(f"{where}: the host name cannot be looked up at present (EAI_AGAIN)", kind="dns")
    return Transient(f"{where}: host name not found", kind="dns", tries=3)


def local_shortage(code: int | None, where: str) -> LocalShortage | None:
    """The error where it is this machine that has too little; None for any other code."""
    return (
        LocalShortage(f"{where}: out of local resources ({errno_reason(code)})")
        if code in _LOCAL_SHORTAGE
        else None
    )


def errno_reason(code: int | None) -> str:
    """The name of an error number; "closed" where there is none, for that is how a connection just ends."""
    return errno.errorcode.get(code, str(code)) if code else "closed"
