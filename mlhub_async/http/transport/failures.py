"""The errors of all transports: for names, TLS, responses that are no HTTP, shortages of this machine."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Callable

from ...core.errors import LocalShortage, TransferError, Transient

AddressCheck = Callable[[str, int, str], None]
"""Called with host, port and address before a connection; raises `TransferError` if it is not allowed."""
REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE"})
"""Methods of requests that may be sent again where the server had closed an idle connection: sent twice, they
do what they do sent once (RFC 9110 section 9.2.2)."""
SLOWEST_SENDING = 64 << 10
"""Bytes per second. The answer to a request may take as much longer as its body takes at this speed."""
PROTOCOL = "protocol"
PROTOCOL_TRIES = 3
"""Kind of the error for a response that is not valid HTTP, and its maximal attempts."""
TLS_IN_PLACE_OF_HTTP = "the server speaks TLS here: did you mean https://?"
TLS_ALERT = b"\x15\x03"
"""How the answer of a TLS server to a plain request begins (RFC 8446 section 5.1): an alert."""
_NO_TLS_REASONS = frozenset(
    {
        *("HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"),
        *("UNKNOWN_PROTOCOL", "WRONG_VERSION_NUMBER"),
    }
)
"""What OpenSSL says of bytes that are no record of TLS."""
_UNKNOWN_ISSUER_CODES = frozenset({2, 18, 19, 20, 21})
"""X509_V_ERR: no issuer found, or one that is not trusted, or none at all (self-signed)."""
_NOT_YET_VALID_CODE = 9
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


def tls_error(error: BaseException, where: str) -> TransferError:
    """The error for a handshake that failed: why, and what to do. `error`: of `ssl`, or without a reason.

    Another connection may bring another certificate.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        refused = TransferError(f"{where}: certificate refused ({_certificate_flaw(error)})", kind="tls")
        refused.untrusted = True
        return refused
    reason = getattr(error, "reason", None) or ""
    if reason in _NO_TLS_REASONS:
        why = " (the server speaks no TLS here: did you mean http://?)"
    else:
        why = f" ({reason.lower().replace('_', ' ')})" if reason else ""
    return Transient(f"{where}: TLS failed{why}", kind="tls", tries=3)


def _certificate_flaw(error: ssl.SSLCertVerificationError) -> str:
    flaw = (error.verify_message or "not trusted").rstrip(".")
    if error.verify_code in _UNKNOWN_ISSUER_CODES:
        return f"{flaw}; --ca-file PEM names an authority to trust"
    if error.verify_code == _NOT_YET_VALID_CODE:
        return f"{flaw}; is the clock of this machine right?"
    return flaw


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
