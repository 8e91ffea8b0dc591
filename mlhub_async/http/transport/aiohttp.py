"""The general transport, by aiohttp: also for proxies. Only this module uses types and errors of aiohttp."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from io import BytesIO
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError
from yarl import URL

from ...core import MAX_DIGITS
from ...core.checksum import LIST_FIELDS
from ...core.errors import TransferError, Transient
from ...core.model import LINE_SEPARATOR, SET_COOKIE, Head, Request
from ...core.urls import origin, redacted
from ..status import (
    FIRST_FINAL,
    MISDIRECTED,
    PROXY_AUTHENTICATION_REQUIRED,
    PROXY_LOGIN,
    WITHOUT_BODY,
    classified,
    refused,
)
from .failures import (
    REPEATABLE,
    TLS_ALERT,
    TLS_IN_PLACE_OF_HTTP,
    AddressCheck,
    errno_reason,
    invalid_response,
    local_shortage,
    resolution_error,
    tls_error,
)
from .fast.head import MAX_FIELDS, MAX_HEAD_BYTES
from .fast.pool import MAX_IDLE_SECONDS
from .proxy import Proxy
from .resolver import Resolver

if TYPE_CHECKING:
    from ...core.ports import Sink

READ_BUFFER_BYTES = 512 << 10
"""Bytes per response that aiohttp buffers before it stops reading. 64 KiB costs a tenth more time."""
MAX_REUSE_ATTEMPTS = 8
"""Attempts of one request over pooled connections that turn out to be closed by the server."""
_breaks_line = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]").search


class AiohttpTransport:
    """See `ports.Transport`. Must be created in the running event loop, and closed by its owner.

    Timeouts are in seconds. `idle_timeout`: the longest wait for bytes. `check` is called with every address
    before a connection to it.
    """

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
        self._proxy = proxy
        self._proxy_fields = _proxy_authorization(proxy)
        self._idle_timeout = idle_timeout
        self._endings = ConnectionEndings()
        self._resolver = Resolver(check)
        tracing = aiohttp.TraceConfig()
        tracing.on_request_headers_sent.append(self._start_head_timeout)
        tracing.on_connection_reuseconn.append(_mark_reused)
        tracing.on_dns_resolvehost_end.append(_mark_resolved)
        self._new_session = partial(
            aiohttp.ClientSession,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": user_agent},
            auto_decompress=False,
            trust_env=False,
            requote_redirect_url=False,
            read_bufsize=READ_BUFFER_BYTES,
            max_line_size=MAX_HEAD_BYTES,
            max_field_size=MAX_HEAD_BYTES,
            max_headers=MAX_FIELDS,
            trace_configs=[tracing],
            response_class=TracedResponse,
            timeout=aiohttp.ClientTimeout(
                total=None, connect=None, sock_connect=connect_timeout, sock_read=idle_timeout
            ),
        )
        self._tls: ssl.SSLContext | bool = tls if tls is not None else True
        self._session = self._new_session(connector=self._connector(keepalive_timeout=MAX_IDLE_SECONDS))
        self._fresh_session: aiohttp.ClientSession | None = None
        """for requests over new connections; made when there is one"""

    def _connector(self, **about: Any) -> aiohttp.TCPConnector:
        return aiohttp.TCPConnector(
            limit=0,  # `resilience.gate` limits connections per origin
            resolver=_SharedResolver(self._resolver),
            ssl=self._tls,
            use_dns_cache=False,  # the resolver has one
            **about,
        )

    def _session_for(self, request: Request) -> aiohttp.ClientSession:
        if not request.fresh:
            return self._session
        if self._fresh_session is None:
            self._fresh_session = self._new_session(connector=self._connector(force_close=True))
        return self._fresh_session

    async def send(self, request: Request, sink: Sink) -> None:
        moved = False
        for retries_left in reversed(range(MAX_REUSE_ATTEMPTS)):
            exchange = _Exchange()
            try:
                return await self._attempt(request, sink, exchange)
            except UnicodeError:
                raise TransferError(f"{redacted(request.url)}: not a host name", kind="bad-href") from None
            except (aiohttp.ClientError, HttpProcessingError, TimeoutError, OSError) as error:
                if isinstance(error, StaleConnectionError) and exchange.reused:
                    again = request.method in REPEATABLE
                else:
                    again = not moved and await self._moved(error, request.url, exchange)
                    moved = True
                if not (again and retries_left):
                    raise translate(error, request.url, head_complete=exchange.head_complete) from None

    async def _moved(self, error: Exception, url: str, exchange: _Exchange) -> bool:
        """Whether the name has other addresses than those at which a connection could not be opened."""
        if exchange.head_complete or not exchange.resolved_at:
            return False
        host, port = origin(self._proxy.url if self._proxy else url)[1:]
        if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
            return await self._resolver.moved(host, port, exchange.resolved_at)
        self._resolver.failed(host, port, exchange.resolved_at)
        return False

    async def _attempt(self, request: Request, sink: Sink, exchange: _Exchange) -> None:
        async with exchange.head_timeout, self._request(request, exchange) as response:
            exchange.head_timeout.reschedule(None)
            assert isinstance(response, TracedResponse)
            if flaw := framing_flaw(response):
                response.protocol.close()
                raise invalid_response(redacted(request.url), flaw, head_complete=False)
            exchange.head_complete = True
            await self._deliver(response, sink, request.url)

    def _request(
        self, request: Request, exchange: _Exchange
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        fields = "".join([f"{name}{value}" for name, value in request.headers.items()])
        if _breaks_line(fields) or _breaks_line(request.url) or " " in request.url:
            raise TransferError(f"{redacted(request.url)}: a request field has a line break", kind="bad-href")
        return self._session_for(request).request(
            request.method,
            URL(request.url, encoded=True),
            headers=self._headers(request) if self._proxy_fields else request.headers,
            data=BytesIO(body) if (body := request.body) and len(body) > READ_BUFFER_BYTES else body,
            allow_redirects=False,
            proxy=self._proxy.url if self._proxy else None,
            proxy_headers=self._proxy_fields,
            trace_request_ctx=exchange,
        )

    async def _start_head_timeout(self, _: aiohttp.ClientSession, about: SimpleNamespace, __: object) -> None:
        """Limit the time until the head is complete: aiohttp does not if it arrives byte by byte."""
        until = asyncio.get_running_loop().time() + self._idle_timeout
        about.trace_request_ctx.head_timeout.reschedule(until)

    async def _deliver(self, response: TracedResponse, sink: Sink, url: str) -> None:
        body = response.content
        self._endings.watch(response.protocol, body)
        sink.start(Head(response.status, _fields(response.headers), url))
        while data := await body.readany():
            if (busy := sink.write(data)) is not None:
                await busy
        if response.status == MISDIRECTED:
            response.protocol.close()
        if isinstance(error := response.protocol.exception(), HttpProcessingError):
            raise error  # invalid bytes after the body
        if ends_by_close(response) and isinstance(error, OSError):
            raise aiohttp.ClientPayloadError from error  # aiohttp treats a reset as the end of the body

    def _headers(self, request: Request) -> Mapping[str, str]:
        """For http the proxy fields are part of the request; for https they are sent with CONNECT only."""
        if request.url.startswith("https:"):
            return request.headers
        return {**request.headers, **(self._proxy_fields or {})}

    async def close(self) -> None:
        await self._session.close()
        if self._fresh_session is not None:
            await self._fresh_session.close()


class _Exchange:
    """The state of one request. `reused`: it was sent over a connection that had been used before.

    `head_complete`: the head of the response was received, and is valid.
    """

    def __init__(self) -> None:
        self.head_timeout = asyncio.timeout(None)
        self.reused = self.head_complete = False
        self.resolved_at = 0.0
        """loop time at which the host name was resolved for a new connection; 0 without one"""


async def _mark_reused(_: aiohttp.ClientSession, about: SimpleNamespace, __: object) -> None:
    about.trace_request_ctx.reused = True


async def _mark_resolved(_: aiohttp.ClientSession, about: SimpleNamespace, __: object) -> None:
    about.trace_request_ctx.resolved_at = asyncio.get_running_loop().time()


def _fields(headers: Mapping[str, str]) -> dict[str, str]:
    """The fields by lower-case name. Of several of one name the first counts, of lists and cookies all."""
    fields: dict[str, str] = {}
    for name, value in headers.items():
        field = name.lower()
        if field not in fields:
            fields[field] = value
        elif field in LIST_FIELDS:
            fields[field] += f", {value}"
        elif field == SET_COOKIE:
            fields[field] += LINE_SEPARATOR + value
    return fields


def _proxy_authorization(proxy: Proxy | None) -> dict[str, str] | None:
    if proxy is None or proxy.authorization is None:
        return None
    return {"Proxy-Authorization": proxy.authorization.reveal()}


class _SharedResolver(AbstractResolver):
    """The resolver of this package, as aiohttp wants it."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=_literal(address),
                port=int(address[1]),
                family=family,
                proto=protocol,
                flags=0,
            )
            for family, _, protocol, _, address in await self._resolver.addresses(host, port)
        ]

    async def close(self) -> None:
        """Nothing is kept open."""


def _literal(address: Sequence[Any]) -> str:
    """The host of a socket address, with its zone if that is an IPv6 address of one link."""
    zone = address[3] if len(address) > 3 else 0
    return f"{address[0]}%{zone}" if zone else str(address[0])


ERROR_KINDS: list[tuple[type[Exception] | tuple[type[Exception], ...], str, str, int | None]] = [
    (aiohttp.ClientProxyConnectionError, "proxy", "proxy not reached", 3),
    (aiohttp.ConnectionTimeoutError, "timeout", "no connection in time", None),
    (aiohttp.ClientConnectorError, "unreachable", "no connection", None),
    (TimeoutError, "timeout", "no data in time", None),
    (aiohttp.ClientPayloadError, "truncated", "the body ended early", None),
]
"""Transient errors: type, `kind`, message and maximal attempts. The first match counts."""


def translate(error: Exception, url: str, *, head_complete: bool = True) -> TransferError:
    """The error of this package for one of aiohttp. Its message is not used: it may quote a header or URL.

    `head_complete`: a valid head was received before it.
    """
    where = redacted(url)
    code = getattr(error, "errno", None) or getattr(getattr(error, "os_error", None), "errno", None)
    if isinstance(error, (aiohttp.ClientSSLError, ssl.SSLError)):
        return tls_error(_cause_in_tls(error), where)
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
    if isinstance(error, (aiohttp.ClientResponseError, HttpProcessingError)):
        reason = TLS_IN_PLACE_OF_HTTP if repr(TLS_ALERT)[2:-1] in error.message else ""
        return invalid_response(where, reason, head_complete=head_complete)
    return Transient(f"{where}: connection lost ({errno_reason(code)})", kind="connection")


def _cause_in_tls(error: Exception) -> BaseException:
    """The error of `ssl` in one of aiohttp."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return error.certificate_error
    return error.os_error if isinstance(error, aiohttp.ClientConnectorSSLError) else error


def _refused_by_proxy(status: int, where: str) -> TransferError:
    if status == PROXY_AUTHENTICATION_REQUIRED:
        return refused(status, f"{where}: {PROXY_LOGIN}")
    return classified(
        Transient(f"{where}: the proxy answered {status}", kind="proxy", status=status, tries=3)
    )


class StaleConnectionError(aiohttp.ClientConnectionError):
    """The connection was closed before a complete head. aiohttp does not repeat the request for this type."""

    def __init__(self, cause: Exception) -> None:
        super().__init__("connection lost")
        self.errno = getattr(cause, "errno", None)


class TracedResponse(aiohttp.ClientResponse):
    """A response that keeps its connection, which aiohttp releases at the end of the body."""

    protocol: ResponseHandler

    async def start(self, connection: Connection) -> Self:
        assert connection.protocol is not None
        self.protocol = connection.protocol
        if len(self.protocol):
            raise aiohttp.ServerDisconnectedError  # bytes that came before the request are no response
        try:
            await super().start(connection)
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            raise StaleConnectionError(error) from None
        return self


class ConnectionEndings:
    """Reports connections that are closed in the middle of a body: for some invalid bodies aiohttp does not.

    It adds one callback per connection, however many bodies that carries.
    """

    def __init__(self) -> None:
        self._bodies: dict[asyncio.Future[None], tuple[ResponseHandler, aiohttp.StreamReader]] = {}

    def watch(self, protocol: ResponseHandler, body: aiohttp.StreamReader) -> None:
        if (closed := protocol.closed) is not None:
            if closed not in self._bodies:
                closed.add_done_callback(self._ended)
            self._bodies[closed] = protocol, body

    def _ended(self, closed: asyncio.Future[None]) -> None:
        closed.exception()  # the reader of the body gets it
        protocol, body = self._bodies.pop(closed)
        if not body.is_eof() and body.exception() is None:
            body.set_exception(protocol.exception() or aiohttp.ClientPayloadError())


def framing_flaw(response: aiohttp.ClientResponse) -> str:
    """What makes the framing of a response ambiguous that aiohttp accepts, "" if nothing does."""
    if response.status < FIRST_FINAL:
        return f"status {response.status} out of place"
    codings = response.headers.getall("Transfer-Encoding", [])
    if response.status in WITHOUT_BODY:
        return ""
    if codings and [coding.strip().lower() for coding in codings] != ["chunked"]:
        return "its transfer coding leaves the length in doubt"
    if len(response.headers.get("Content-Length", "")) > MAX_DIGITS:
        return "its Content-Length is no length"
    return ""


def ends_by_close(response: aiohttp.ClientResponse) -> bool:
    """Whether the close of the connection is the end of the body (RFC 9112 section 6.3)."""
    framed = "Content-Length" in response.headers or "Transfer-Encoding" in response.headers
    return not framed and response.status not in WITHOUT_BODY
