"""The HTTP client: adds credentials, follows redirects, applies limits and retries, reads JSON documents.

A transport sends one request, without any of this policy. `status` defines the meaning of status codes,
`ssrf` the addresses that a catalogue may lead to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from ..core.errors import TransferError, Transient
from ..core.json_text import parse_json
from ..core.model import Document, Head, Request
from ..core.ports import BegunRequest, Lanes, Members, Sink, Transport
from ..core.urls import Origin, origin, parse, redacted, without_user
from .auth.sign_on import RedirectChain, SignOn, with_cookies
from .auth.signer_set import SignerSet
from .decoding.body import AS_STORED
from .documents import DamageHistory, DocumentSink, RequestForms
from .hop import (
    NO_CONNECTION_KINDS,
    ErrorBodyTooLongError,
    Hop,
    no_connection_error,
    report_failure,
    report_refusal,
)
from .resilience.gate import OriginLimits
from .resilience.retry import Retry
from .ssrf import AddressPolicy
from .status import ACCEPTED, REDIRECTS, REDIRECTS_WITH_METHOD, moved_to_region, refusal
from .watchdog import Watchdog

MAX_DETOURS = 4
"""So often a request begins anew at its own URL, in one attempt, where a redirect led to no response."""
MAX_UNTRUSTED_CONNECTIONS = 5
"""Connections with a certificate that is not trusted, after which the origin has no other one. Two are enough
where the origin has shown one, as the request is repeated later."""
UNTRUSTED_PAUSE_SECONDS = 0.1
"""Before each of these connections but the first two there is a pause, longer by so much each time."""
FORWARDED_FIELDS = frozenset(
    {"accept", "accept-encoding", "content-type", "range", "if-range", "if-match", "if-none-match"}
)
"""Request fields without data about the user: only these are sent to another origin after a redirect."""
DOCUMENT_FIELDS = {"accept": "application/geo+json, application/json", "accept-encoding": "gzip"}
AZURE_HOSTS = ".blob.core.windows.net"
AZURE_API_VERSION = "2021-06-08"
NO_SIGNERS = SignerSet()
OnRedirect = Callable[[str | None], Awaitable[None]]


class Http:
    """Sends requests through transports, given by URL scheme. The owner must `close` it, and so them."""

    def __init__(
        self,
        transports: dict[str, Transport],
        limits: OriginLimits,
        *,
        signers: SignerSet,
        logins: SignerSet = NO_SIGNERS,
        retry: Retry,
        addresses: AddressPolicy,
        watchdog: Watchdog,
        advice: str = "",
    ) -> None:
        """`advice` is added to the errors of connections that could not be opened."""
        self._transports = transports
        self.lanes: Lanes = lambda _: None
        """of the transport for http and https: `prepared` requests can be sent through them"""
        self.limits = limits
        self._signers = signers
        self._sign_on = SignOn(logins)
        self.retry = retry
        self._addresses = addresses
        self._watchdog = watchdog
        self._advice = advice
        self._archives: dict[str, Members] = {}

    def mount(self, prefix: str, members: Members) -> None:
        """From now on `members` answers the requests for URLs that begin with `prefix`."""
        self._archives[prefix] = members

    async def get(self, request: Request, sink: Sink, on_redirect: OnRedirect | None = None) -> Head:
        """Make one attempt at a URL, or at a member of an archive: see `_get` and `ports.Members`."""
        for prefix, members in self._archives.items():
            if request.url.startswith(prefix):
                return await members.get(request, sink, self._get)
        return await self._get(request, sink, on_redirect)

    async def _get(self, request: Request, sink: Sink, on_redirect: OnRedirect | None = None) -> Head:
        """Make one attempt: follow redirects, push the final body into `sink`, return the final head.

        `on_redirect` is awaited with each new URL before it is requested, and may raise to stop there; with
        None where cookies or a login decide what the URLs of the chain answer. Credentials are added for
        every hop to the first origin, until a redirect leads to another one (RFC 9110 section 15.4). Where
        that one sends no response the request begins anew at its own URL: the redirect may lead elsewhere
        then. Raises `Transient`, `TransferError`, or what the sink raises.
        """
        for detours_left in reversed(range(MAX_DETOURS + 1)):
            head = await self._signed_hop(request, origin(request.url), sink, self._signers)
            if head.status not in REDIRECTS:
                break
            try:
                return await self._follow(request, head, sink, on_redirect, waits=not detours_left)
            except TransferError as error:
                if not (error.unanswered and detours_left):
                    raise
        return head

    def prepared(self, url: str) -> tuple[Request, Request] | None:
        """The request for a file with its credentials, and as it is sent: for a lane, instead of `get`.

        None where its URL must be signed, there are no valid credentials at present, or there are archives,
        which may have it. Raises `TransferError` for an address that is not allowed.
        """
        here = origin(url)
        self._addresses.check_literal(here)
        if self._archives:
            return None
        signed = self._signers.sign(Request(url, headers=AS_STORED), here)
        if signed is None or signed.url != url:
            return None
        return signed, _with_host_fields(signed, here)

    def signs(self, here: Origin) -> bool:
        """Whether there are credentials for an origin."""
        return self._signers.signs(here)

    async def _follow(
        self, request: Request, head: Head, sink: Sink, on_redirect: OnRedirect | None, *, waits: bool
    ) -> Head:
        """Follow redirects, the first of which is `head`. Only the requests of assets have cookies.

        `waits`: for other origins that are out. The error of one that is, or that sends no response, is
        `unanswered`.
        """
        home, signers = origin(request.url), self._signers
        chain = RedirectChain(request, None if isinstance(sink, DocumentSink) else self._sign_on)
        while head.status in REDIRECTS:
            request = self._signers.clean(chain.follow(request, head, _redirected))
            here = origin(request.url)
            if signers is self._signers and here != home:
                signers = NO_SIGNERS
            logs_in = chain.logs_in(here)
            if on_redirect is not None:
                await on_redirect(None if chain.is_stateful else request.url)
            used = self._sign_on.logins if logs_in else signers
            cookies, elsewhere = chain.cookie_field(request), here != home
            try:
                if elsewhere and not waits:
                    self.limits.gate(here).check_in_service()
                head = await self._signed_hop(request, here, sink, used, cookies, elsewhere=elsewhere)
            except TransferError as error:
                error.unanswered = error.unanswered and elsewhere
                if error.unauthorized and elsewhere:
                    chain.explain(error, here, logged_in=logs_in)
                raise
        chain.end()
        return head

    async def _signed_hop(
        self,
        request: Request,
        here: Origin,
        sink: Sink,
        signers: SignerSet,
        cookies: str = "",
        *,
        elsewhere: bool = False,
    ) -> Head:
        """One hop with the credentials of its origin, once more with newer ones where they are refused."""
        begun: BegunRequest | None = request.begun
        pending = begun is not None and begun.pending
        sent = begun.sent._replace(begun=begun) if begun and pending else signers.sign(request, here)
        if sent is None:
            sent = await signers.sign_renewed(request, here)
        try:
            hop = with_cookies(sent, cookies) if cookies else sent
            head = await self._hop(hop, here, sink, elsewhere=elsewhere)
        except TransferError as error:
            if not (error.unauthorized and signers.signs(here)):
                raise
            sent = await self._renewed(error, request, sent, here, sink, signers)
            head = await self._hop(with_cookies(sent, cookies), here, sink, elsewhere=elsewhere)
        if sent is not request and signers.signs(here):
            self.limits.gate(here).access.accept_credentials(document=isinstance(sink, DocumentSink))
        # Not the signed URL: a key in its query must not become part of a base URL.
        return head if head.url == request.url else head._replace(url=request.url)

    async def _renewed(
        self,
        error: TransferError,
        request: Request,
        sent: Request,
        here: Origin,
        sink: Sink,
        signers: SignerSet,
    ) -> Request:
        """The request with newer credentials than those refused. Raises `error` if there are none."""
        again = await signers.sign_renewed(request, here)
        if again == sent:
            self.limits.gate(here).access.refuse_credentials(document=isinstance(sink, DocumentSink))
            raise error
        return again

    async def _hop(self, request: Request, here: Origin, sink: Sink, *, elsewhere: bool = False) -> Head:
        """Send one request, and once more over a new connection where that may make a difference.

        `elsewhere`: a redirect has led to this origin, and may lead to another one the next time.
        """
        if here.scheme != "file":
            self._addresses.check_literal(here)
        request = _with_host_fields(request, here)
        gate = self.limits.gate(here)
        begun: BegunRequest | None = request.begun
        if begun is not None and begun.take_slot():
            hop = Hop(sink, self.limits, gate, request.url, begun)
        else:
            if not gate.enter_at_once():
                await gate.enter(elsewhere=elsewhere)
            hop = Hop(sink, self.limits, gate, request.url)
        try:
            try:
                await self._send(request, here, hop)
            except TransferError as error:
                if not error.untrusted:
                    raise
                await self._send_until_trusted(error, request, here, hop, elsewhere=elsewhere)
        except BaseException as error:
            report_failure(error, hop)
            raise
        finally:
            hop.end()
            gate.leave()
        head = hop.head
        if head is None:
            raise Transient(f"{redacted(request.url)}: no response", kind="protocol", tries=3)
        head = moved_to_region(head)
        if head.status in ACCEPTED or (head.status in REDIRECTS and head.headers.get("location")):
            return head
        refused = refusal(head, hop.error_body, hop.url)
        refused.signed = self._signers.signs(here)
        if isinstance(refused, Transient):
            refused.unanswered = refused.outage and refused.retry_after is None
        report_refusal(refused, hop)
        if refused.misdirected and not request.fresh:
            return await self._hop(request._replace(fresh=True), here, sink, elsewhere=elsewhere)
        raise refused

    async def _send_until_trusted(
        self, error: TransferError, request: Request, here: Origin, hop: Hop, *, elsewhere: bool
    ) -> None:
        """Send a request over other connections, as `error` came of a certificate that is not trusted.

        One server of several may have it. Raises `Transient` where the origin has shown a certificate that is
        trusted in this run, or another origin may be asked; otherwise `error`.
        """
        for number in range(1, MAX_UNTRUSTED_CONNECTIONS):
            if number > 1 and (elsewhere or hop.breaker.has_answered):
                break
            await asyncio.sleep((number - 1) * UNTRUSTED_PAUSE_SECONDS)
            try:
                return await self._send(request, here, hop)
            except TransferError as again:
                if not again.untrusted:
                    raise
                error = again
        if elsewhere or hop.breaker.has_answered:
            raise Transient(error.message, kind=error.kind) from None
        raise error

    async def _send(self, request: Request, here: Origin, hop: Hop) -> None:
        transport = self._transports.get(here.scheme)
        if transport is None:
            message = f"{redacted(request.url)}: URLs of the scheme {here.scheme} cannot be read"
            raise TransferError(message, kind="unsupported-scheme")
        self._watchdog.begin(hop)
        try:
            await transport.send(request, hop)
        except Transient as error:
            if hop.head is not None or error.kind not in NO_CONNECTION_KINDS:
                raise
            where = redacted(request.url)
            raise no_connection_error(error, here.host, where, self._advice) from None
        except ErrorBodyTooLongError:
            pass
        except asyncio.CancelledError:
            # As asyncio.timeout does, but at a lower cost per small file.
            if hop.aborted_task is None or hop.aborted_task.uncancel() > 0:
                raise
            slow = Transient(f"{redacted(request.url)}: {hop.abort_reason}", kind="too-slow")
            slow.free = hop.stalled
            raise slow from None
        finally:
            self._watchdog.end(hop)

    def restart_stalled(self) -> None:
        """Only requests that are under way are left: see `Watchdog.restart_stalled`."""
        self._watchdog.restart_stalled()

    def fetchable(self, url: str) -> str:
        """A URL, or any text, without our secrets and user name, but with signatures that are part of it."""
        bare = without_user(url) if "://" in url else url
        return self._signers.without_secrets(bare)

    async def read(self, request: Request) -> Document:
        """Read one JSON document, with retries. See `ports.Reader`."""
        history = DamageHistory()
        forms = RequestForms(request, self.retry.attempts)
        return await self.retry(lambda: forms.attempt(lambda form: self._read_json(form, history)))

    async def read_unless_data(self, request: Request) -> Document:
        """Read one JSON document, or refuse another file by its first bytes. See `ports.Reader`."""
        return await self.retry(partial(self._read_json, request, DamageHistory(), refuses_data=True))

    async def read_bytes(self, request: Request) -> tuple[bytes, str]:
        """Read one document of any kind, with retries. Its decoded bytes and its final URL."""
        return await self.retry(partial(self._read_once, request))

    async def _read_json(
        self, request: Request, history: DamageHistory, *, refuses_data: bool = False
    ) -> Document:
        """One attempt. Raises `Transient` for damage that is new, `TransferError` if it came before."""
        sink = DocumentSink(request.url, refuses_data=refuses_data)
        try:
            raw, head = await self._read_into(sink, request)
        except Transient as error:
            if error is not sink.damage:
                raise
            raise history.judge(error, sink.received_crc) from None
        try:
            return Document(parse_json(raw), head.url, head.headers.get("link", ""))
        except ValueError as error:
            found = "an HTML page" if raw.lstrip()[:1] == b"<" else f"not JSON ({error})"
            damage = Transient(f"{redacted(head.url)}: the answer is {found}", kind="not-json", tries=3)
            raise history.judge(damage, hash(raw)) from None

    async def _read_once(self, request: Request) -> tuple[bytes, str]:
        raw, head = await self._read_into(DocumentSink(request.url), request)
        return raw, head.url

    async def _read_into(self, sink: DocumentSink, request: Request) -> tuple[bytes, Head]:
        head = await self.get(request._replace(headers={**DOCUMENT_FIELDS, **request.headers}), sink)
        return sink.whole(), head

    async def close(self) -> None:
        """Close all connections. No request may be under way."""
        self._watchdog.close()
        for transport in {id(t): t for t in self._transports.values()}.values():
            await transport.close()


def _redirected(request: Request, head: Head) -> Request:
    """The request for the target of a redirect, with the fields that may be sent there.

    Raises `TransferError` for a target that must not be followed: no valid URL, or from https to http.
    """
    here = origin(request.url)
    try:
        target = parse(head.headers.get("location"), request.url)
    except TransferError as error:
        raise TransferError(
            f"{redacted(request.url)}: redirect to {error}", kind="redirect-refused"
        ) from None
    there = origin(target)
    if there.scheme not in ("http", "https") or (here.scheme == "https" and there.scheme == "http"):
        raise TransferError(
            f"{redacted(request.url)}: redirect to {there.scheme}: refused ({redacted(target)})",
            kind="redirect-refused",
        )
    if request.method != "GET" and head.status not in REDIRECTS_WITH_METHOD:
        request = request._replace(method="GET", body=None)
    carried = {k: v for k, v in request.headers.items() if here == there or k.lower() in FORWARDED_FIELDS}
    if request.body is None:
        carried = {k: v for k, v in carried.items() if k.lower() != "content-type"}
    return request._replace(url=target, headers=carried, begun=None)


def _with_host_fields(request: Request, here: Origin) -> Request:
    """Azure Blob Storage uses its API of 2009 (no ranges, unquoted ETag) unless a version is requested."""
    if not here.host.endswith(AZURE_HOSTS):
        return request
    return request._replace(headers={**request.headers, "x-ms-version": AZURE_API_VERSION})
