"""The HTTP client: adds credentials, follows redirects, applies limits and retries, reads JSON documents.

A transport sends one request, without any of this policy. `status` defines the meaning of status codes,
`ssrf` the addresses that a catalogue may lead to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from ..core.errors import TransferError, Transient
from ..core.json_text import parse_json
from ..core.model import Document, Head, Request
from ..core.ports import Refused
from ..core.urls import Origin, in_other_region, origin, redacted, without_user
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
from .status import REDIRECTS, answered, is_write, moved_to_region, refusal
from .watchdog import Watchdog

if TYPE_CHECKING:
    from ..core.ports import BegunRequest, Lanes, Send, Sink, Transport
    from ..core.ports.members import Members
    from .auth.sign_on import SignOn

MAX_DETOURS = 4
"""So often a request begins anew at its own URL, in one attempt, where a redirect led to no response."""
MAX_UNTRUSTED_CONNECTIONS = 5
"""Connections with a certificate that is not trusted, after which the origin has no other one. Two are enough
where the origin has shown one, as the request is repeated later."""
UNTRUSTED_PAUSE_SECONDS = 0.1
"""Before each of these connections but the first two there is a pause, longer by so much each time."""
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
        self._signers_elsewhere = signers.after_redirect()
        self._logins = logins
        self._sign_on: SignOn | None = None
        """from the first redirect on"""
        self.retry = retry
        self._addresses = addresses
        self.trusted: frozenset[Origin] = frozenset()
        """the origins that the user has named"""
        self.on_schemes: Callable[[Document], None] = lambda _: None
        """is called with documents that name authentication schemes"""
        self._watchdog = watchdog
        self._advice = advice
        self.archives: dict[str, Members] = {}
        self.send: Send = self._get  # also for the bytes of archives

    def mount(self, prefix: str, members: Members) -> None:
        """From now on `members` answers the requests for URLs that begin with `prefix`."""
        self.archives[prefix] = members

    async def get(self, request: Request, sink: Sink, on_redirect: OnRedirect | None = None) -> Head:
        """Make one attempt at a URL, or at a member of an archive: see `_get` and `ports.Members`."""
        if (members := self.members_at(request.url)) is None:
            return await self._get(request, sink, on_redirect)
        return await members.get(request, sink, self._get)

    def members_at(self, url: str) -> Members | None:
        """The members of the archive that has this URL, None where it is of no archive."""
        return self.archives.get(next(filter(url.startswith, self.archives), ""))

    async def _get(self, request: Request, sink: Sink, on_redirect: OnRedirect | None = None) -> Head:
        """Make one attempt: follow redirects, push the final body into `sink`, return the final head.

        `on_redirect` is awaited with each new URL before it is requested, and may raise to stop there; with
        None where cookies or a login decide what the URLs of the chain answer. Credentials are added for
        every hop to the first origin until a redirect leads to another one (RFC 9110 section 15.4), then only
        for services with a list of hosts. Where another one sends no response the request begins anew at its
        own URL: the redirect may lead elsewhere then. Raises `Transient`, `TransferError`, or what the sink
        raises.
        """
        for detours_left in reversed(range(MAX_DETOURS + 1)):
            head = await self._signed_hop(request, origin(request.url), sink, self._signers_for(request))
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
        if self.archives:
            return None
        signed = self._signers.sign(Request(url, headers=AS_STORED), here)
        if signed is None or signed.url != url:
            return None
        return signed, _with_host_fields(signed, here)

    def _signers_for(self, request: Request) -> SignerSet:
        return NO_SIGNERS if request.confidential else self._signers

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
        from .auth.sign_on import RedirectChain, SignOn

        home, signers = origin(request.url), self._signers_for(request)
        self._sign_on = self._sign_on or SignOn(self._logins)
        chain = RedirectChain(request, None if isinstance(sink, DocumentSink) else self._sign_on)
        while head.status in REDIRECTS:
            asked = request.url
            request = self._signers.clean(chain.follow(request, head))
            here = origin(request.url)
            if signers is self._signers and here != home:
                if in_other_region(asked, request.url):
                    home = here
                else:
                    signers = self._signers_elsewhere
            logs_in = chain.logs_in(here)
            if on_redirect is not None:
                await on_redirect(None if chain.is_stateful else request.url)
            used = self._logins if logs_in else signers
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
            sent = await self._renewed(request, here, sink, signers)
        try:
            head = await self._hop(_with_cookies(sent, cookies), here, sink, elsewhere=elsewhere)
        except TransferError as error:
            error.signed = error.signed and (sent.headers != request.headers or sent.url != request.url)
            if not (error.maybe_unsigned and signers.signs(here)):
                raise
            sent = await self._renewed(request, here, sink, signers, Refused(sent, error))
            head = await self._hop(_with_cookies(sent, cookies), here, sink, elsewhere=elsewhere)
        if sent is not request and signers.signs(here):
            self.limits.gate(here).access.accept_credentials(document=isinstance(sink, DocumentSink))
        # Not the signed URL: a key in its query must not become part of a base URL.
        return head if head.url == request.url else head._replace(url=request.url)

    async def _renewed(
        self, request: Request, here: Origin, sink: Sink, signers: SignerSet, refused: Refused | None = None
    ) -> Request:
        """The request with newer credentials than those refused. If there are none, raises the error of the
        refusal, or that of a login that is not accepted: both are counted."""
        failure, why_none = None if refused is None else refused.error, ""
        try:
            again = await signers.sign_renewed(request, here, refused)
        except TransferError as error:
            again, failure, why_none = None, error, error.message
        if again is None and failure is not None:
            if failure.unauthorized:
                access, document = self.limits.gate(here).access, isinstance(sink, DocumentSink)
                access.refuse_credentials(document=document, why_none=why_none)
            raise failure
        return again or request

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
            hop = Hop(sink, self.limits, gate, request.url, write=is_write(request.method))
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
        if (answer := answered(moved_to_region(head), write=hop.write_request)) is not None:
            return answer
        refused = refusal(head, hop.error_body, hop.url)
        self._signers.note_refusal(refused, here)
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
            raw, head = await self._read_into(sink, history.next_request(request))
        except Transient as error:
            if error is not sink.damage:
                raise
            raise history.judge(error, sink.received_crc) from None
        try:
            document = Document(parse_json(raw), head.url, head.headers.get("link", ""))
        except ValueError as error:
            found = "an HTML page" if raw.lstrip()[:1] == b"<" else f"not JSON ({error})"
            damage = Transient(f"{redacted(head.url)}: the answer is {found}", kind="not-json", tries=3)
            raise history.judge(damage, hash(raw)) from None
        if b'"auth:refs"' in raw:
            self.on_schemes(document)
        return document

    async def _read_once(self, request: Request) -> tuple[bytes, str]:
        raw, head = await self._read_into(DocumentSink(request.url), request)
        return raw, head.url

    async def _read_into(self, sink: DocumentSink, request: Request) -> tuple[bytes, Head]:
        head = await self.get(request._replace(headers={**DOCUMENT_FIELDS, **request.headers}), sink)
        return sink.whole(), head

    async def sign_url(self, url: str, auth: Sequence[str]) -> str | None:
        """A signed URL for one with these authentication schemes; see `auth.declared.signed_url`."""
        from .auth.declared.signed_url import signed_url

        return await signed_url(url, auth, self, self.trusted)

    async def close(self) -> None:
        """Close all connections. No request may be under way."""
        self._watchdog.close()
        for transport in {id(t): t for t in self._transports.values()}.values():
            await transport.close()


def _with_cookies(request: Request, cookies: str) -> Request:
    if not cookies:
        return request
    from .auth.sign_on import with_cookies

    return with_cookies(request, cookies)


def _with_host_fields(request: Request, here: Origin) -> Request:
    """Azure Blob Storage uses its API of 2009 (no ranges, unquoted ETag) unless a version is requested."""
    if not here.host.endswith(AZURE_HOSTS):
        return request
    return request._replace(headers={**request.headers, "x-ms-version": AZURE_API_VERSION})
