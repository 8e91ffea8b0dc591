"""One hop through aiohttp: the general transport. Its library's types and errors stop here."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from types import SimpleNamespace
from typing import Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError
from yarl import URL

from ...core.errors import TransferError, Transient
from ...core.model import Head, Request
from ...core.ports import Sink
from ...core.urls import redacted
from ..status import FIRST_FINAL, PROXY_AUTHENTICATION_REQUIRED, WITHOUT_BODY, classified, refused
from .failures import AddressCheck, errno_reason, local_shortage, resolution_error
from .fast.head import MAX_FIELDS, MAX_HEAD, MAX_LENGTH_DIGITS
from .fast.pool import DNS_SECONDS, MAX_IDLE_SECONDS
from .proxy import Proxy

READ_BUFFER = 512 << 10
"""Bytes aiohttp may hold per response before it stops reading; with 64 KiB large ones cost a tenth more."""
KEPT_TRIES = 8
"""How many kept connections may have died while nobody used them before a request fails for it."""
_BREAKS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]").search


class AiohttpTransport:
    """See `ports.Transport`. Must be made inside the running loop; times in seconds."""

    def __init__(
        self,
        *,
        user_agent: str,
        connect_timeout: float,
        idle_timeout: float,
        check: AddressCheck,
        tls: ssl.SSLContext | None = None,
        proxy: Proxy | None = None,
    ) -> None:
        connector = aiohttp.TCPConnector(
            limit=0,  # slots are counted above, per origin, where waiting for one is not a timeout
            resolver=_CheckedResolver(check),
            ssl=tls if tls is not None else True,
            ttl_dns_cache=int(DNS_SECONDS),
            keepalive_timeout=MAX_IDLE_SECONDS,
        )
        self._proxy = proxy
        self._told_proxy = _authorization(proxy)
        self._patience = idle_timeout
        self._endings = ConnectionEndings()
        tracing = aiohttp.TraceConfig()
        tracing.on_request_headers_sent.append(self._sent)
        tracing.on_connection_reuseconn.append(_reused)
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": user_agent},
            auto_decompress=False,
            trust_env=False,
            requote_redirect_url=False,
            read_bufsize=READ_BUFFER,
            max_line_size=MAX_HEAD,
            max_field_size=MAX_HEAD,
            max_headers=MAX_FIELDS,
            trace_configs=[tracing],
            response_class=TracedResponse,
            timeout=aiohttp.ClientTimeout(
                total=None, connect=None, sock_connect=connect_timeout, sock_read=idle_timeout
            ),
        )

    async def send(self, request: Request, sink: Sink) -> None:
        for left in reversed(range(KEPT_TRIES)):
            course = _Exchange()
            try:
                return await self._attempt(request, sink, course)
            except UnicodeError:
                raise TransferError(f"{redacted(request.url)}: not a host name", kind="bad-href") from None
            except (aiohttp.ClientError, HttpProcessingError, TimeoutError, OSError) as error:
                died = isinstance(error, DroppedError) and course.kept
                if not (died and left and request.method == "GET"):
                    raise translated(error, request.url) from None

    async def _attempt(self, request: Request, sink: Sink, course: _Exchange) -> None:
        async with course.patience, self._asked(request, course) as response:
            course.patience.reschedule(None)
            assert isinstance(response, TracedResponse)
            if flaw := framing_doubt(response):
                response.protocol.close()
                where = redacted(request.url)
                raise Transient(f"{where}: the answer is not valid HTTP ({flaw})", kind="protocol", tries=3)
            await self._deliver(response, sink, request.url)

    def _asked(
        self, request: Request, course: _Exchange
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        fields = "".join([f"{name}{value}" for name, value in request.headers.items()])
        if _BREAKS(fields) or _BREAKS(request.url) or " " in request.url:
            raise TransferError(f"{redacted(request.url)}: a request field has a line break", kind="bad-href")
        return self._session.request(
            request.method,
            URL(request.url, encoded=True),
            headers=self._headers(request) if self._told_proxy else request.headers,
            data=request.body,
            allow_redirects=False,
            proxy=self._proxy.url if self._proxy else None,
            proxy_headers=self._told_proxy,
            trace_request_ctx=course,
        )

    async def _sent(self, _: aiohttp.ClientSession, about: SimpleNamespace, __: object) -> None:
        """From now on the head must come: aiohttp would wait for ever for one that comes byte by byte."""
        until = asyncio.get_running_loop().time() + self._patience
        about.trace_request_ctx.patience.reschedule(until)

    async def _deliver(self, response: TracedResponse, sink: Sink, url: str) -> None:
        body = response.content
        self._endings.watch(response.protocol, body)
        sink.start(Head(response.status, _fields(response.headers), url))
        while data := await body.readany():
            if (busy := sink.write(data)) is not None:
                await busy
        error = response.protocol.exception()
        if isinstance(error, HttpProcessingError):
            raise error  # of what follows the body
        if ends_with_connection(response) and isinstance(error, OSError):
            raise aiohttp.ClientPayloadError from error  # aiohttp takes a reset for the end of a body

    def _headers(self, request: Request) -> Mapping[str, str]:
        """A plain request is read by the proxy itself; of one inside a tunnel it sees only the CONNECT."""
        if request.url.startswith("https:"):
            return request.headers
        return {**request.headers, **(self._told_proxy or {})}

    async def close(self) -> None:
        await self._session.close()


class _Exchange:
    """What is known of one request under way; `kept`: it went over a connection that had been used before."""

    def __init__(self) -> None:
        self.patience = asyncio.timeout(None)
        self.kept = False


async def _reused(_: aiohttp.ClientSession, about: SimpleNamespace, __: object) -> None:
    about.trace_request_ctx.kept = True


def _fields(headers: Mapping[str, str]) -> dict[str, str]:
    """By lower-case name; of several fields of one name the first."""
    fields: dict[str, str] = {}
    for name, value in headers.items():
        fields.setdefault(name.lower(), value)
    return fields


def _authorization(proxy: Proxy | None) -> dict[str, str] | None:
    if proxy is None or proxy.authorization is None:
        return None
    return {"Proxy-Authorization": proxy.authorization.reveal()}


class _CheckedResolver(AbstractResolver):
    """Resolves in a thread and lets only those addresses through that the policy allows."""

    def __init__(self, check: AddressCheck) -> None:
        self._inner = aiohttp.ThreadedResolver()
        self._check = check

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        for entry in found:
            self._check(host, port, entry["host"])
        return found

    async def close(self) -> None:
        await self._inner.close()


ERROR_KINDS: list[tuple[type[Exception] | tuple[type[Exception], ...], str, str, int | None]] = [
    ((aiohttp.ClientSSLError, ssl.SSLError), "tls", "TLS failed", 3),
    (aiohttp.ClientProxyConnectionError, "proxy", "proxy not reached", 3),
    (aiohttp.ConnectionTimeoutError, "timeout", "no connection in time", None),
    (aiohttp.ClientConnectorError, "unreachable", "no connection", None),
    (TimeoutError, "timeout", "no data in time", None),
    (aiohttp.ClientPayloadError, "truncated", "the body ended early", None),
    ((aiohttp.ClientResponseError, HttpProcessingError), "protocol", "the answer is not valid HTTP", 3),
]
"""What may pass: type, our kind and words, and how often it is worth trying. The first match counts."""


def translated(error: Exception, url: str) -> TransferError:
    """Our error for theirs. The message is ours alone: theirs quote headers and signed URLs."""
    where = redacted(url)
    code = getattr(error, "errno", None) or getattr(getattr(error, "os_error", None), "errno", None)
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        reason = getattr(error.certificate_error, "verify_message", "not trusted")
        return TransferError(f"{where}: certificate refused ({reason})", kind="tls")
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return _refused_by_proxy(error.status, where)
    if isinstance(error, aiohttp.InvalidURL):
        return TransferError(f"{where}: not a usable URL", kind="bad-href")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return resolution_error(code, where)
    if (short := local_shortage(code, where)) is not None:
        return short
    for types, kind, words, tries in ERROR_KINDS:
        if isinstance(error, types):
            reason = f" ({errno_reason(code)})" if code else ""
            return Transient(f"{where}: {words}{reason}", kind=kind, tries=tries)
    return Transient(f"{where}: connection lost ({errno_reason(code)})", kind="connection")


def _refused_by_proxy(status: int, where: str) -> TransferError:
    if status == PROXY_AUTHENTICATION_REQUIRED:
        what = "the proxy wants to know who asks: --proxy http://user:password@host:port"
        return refused(status, f"{where}: {what}")
    return classified(
        Transient(f"{where}: the proxy answered {status}", kind="proxy", status=status, tries=3)
    )


class DroppedError(aiohttp.ClientConnectionError):
    """No head came. Not one of the errors at which aiohttp asks again, even over a new connection."""

    def __init__(self, cause: Exception) -> None:
        super().__init__("connection lost")
        self.errno = getattr(cause, "errno", None)


class TracedResponse(aiohttp.ClientResponse):
    """Keeps what aiohttp forgets as soon as the body is whole: the connection that carried it."""

    protocol: ResponseHandler

    async def start(self, connection: Connection) -> Self:
        assert connection.protocol is not None
        self.protocol = connection.protocol
        if len(self.protocol):
            # What came while nobody asked: aiohttp would take it for the answer.
            raise aiohttp.ServerDisconnectedError
        try:
            await super().start(connection)
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            raise DroppedError(error) from None
        return self


class ConnectionEndings:
    """Connections that end in the middle of a body that aiohttp could not parse: it tells nobody.

    One callback for each connection, however many bodies it carries.
    """

    def __init__(self) -> None:
        self._bodies: dict[asyncio.Future[None], tuple[ResponseHandler, aiohttp.StreamReader]] = {}

    def watch(self, protocol: ResponseHandler, body: aiohttp.StreamReader) -> None:
        if (closed := protocol.closed) is not None:
            if closed not in self._bodies:
                closed.add_done_callback(self._ended)
            self._bodies[closed] = protocol, body

    def _ended(self, closed: asyncio.Future[None]) -> None:
        closed.exception()  # known to whoever waits for the body
        protocol, body = self._bodies.pop(closed)
        if not body.is_eof() and body.exception() is None:
            body.set_exception(protocol.exception() or aiohttp.ClientPayloadError())


def framing_doubt(response: aiohttp.ClientResponse) -> str:
    """What two readers could read in two ways, of what aiohttp lets through; "" if there is nothing."""
    if response.status < FIRST_FINAL:
        return f"status {response.status} out of place"
    codings = response.headers.getall("Transfer-Encoding", [])
    if response.status in WITHOUT_BODY:
        return ""
    if codings and [coding.strip().lower() for coding in codings] != ["chunked"]:
        return "its transfer coding leaves the length in doubt"
    if len(response.headers.get("Content-Length", "")) > MAX_LENGTH_DIGITS:
        return "its Content-Length is no length"
    return ""


def ends_with_connection(response: aiohttp.ClientResponse) -> bool:
    framed = "Content-Length" in response.headers or "Transfer-Encoding" in response.headers
    return not framed and response.status not in WITHOUT_BODY
