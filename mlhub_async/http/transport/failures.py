"""The errors of all transports for failed name resolution and for shortages of this machine."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable

from ...core.errors import LocalShortage, TransferError, Transient

AddressCheck = Callable[[str, int, str], None]
"""Called with host, port and address before a connection; raises `TransferError` if it is not allowed."""
PROTOCOL = "protocol"
PROTOCOL_TRIES = 3
"""Kind of the error for a response that is not valid HTTP, and its maximal attempts."""
_LOCAL_SHORTAGE = frozenset({errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOMEM})


class UnreadableHead(Transient):
    """The head of a response is not valid HTTP for this transport. Its sink was not called."""

    def __init__(self, message: str) -> None:
        super().__init__(message, kind=PROTOCOL, tries=PROTOCOL_TRIES)


def invalid_response(where: str, reason: str = "", *, head_complete: bool) -> Transient:
    """The error for a response that is not valid HTTP. `head_complete`: its head was."""
    message = f"{where}: the answer is not valid HTTP" + (f" ({reason})" if reason else "")
    return (
        Transient(message, kind=PROTOCOL, tries=PROTOCOL_TRIES) if head_complete else UnreadableHead(message)
    )


def resolution_error(code: int | None, where: str) -> Transient:
    """The error for a getaddrinfo error `code`. `where`: the URL as it may be shown.

    It is transient in any case: a new name may not be known everywhere yet.
    """
    if code == socket.EAI_AGAIN:
        return Transient(f"{where}: the host name cannot be looked up at present (EAI_AGAIN)", kind="dns")
    return Transient(f"{where}: host name not found", kind="dns", tries=3)


def certificate_error(reason: str, where: str) -> TransferError:
    """The error for a certificate that is not trusted. Another connection may bring another one."""
    error = TransferError(f"{where}: certificate refused ({reason})", kind="tls")
    error.untrusted = True
    return error


def local_shortage(code: int | None, where: str) -> LocalShortage | None:
    """The error for an errno that means a shortage of this machine, None for any other."""
    return (
        LocalShortage(f"{where}: out of local resources ({errno_reason(code)})")
        if code in _LOCAL_SHORTAGE
        else None
    )


def errno_reason(code: int | None) -> str:
    """The name of an errno, such as "ECONNRESET"; "closed" for None: a close without error."""
    return errno.errorcode.get(code, str(code)) if code else "closed"
