"""HTTP policy, once for every transport: slots, credentials per origin, redirects, refusals, low speed.

A transport does one hop and knows none of this. What a status means is decided in `refusal.py`,
where a document may send us in `reach.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import orjson

from ..core.errors import TransferError, Transient
from ..core.model import Document, Head, Request
from ..core.ports import Sink, Transport
from ..core.urls import Origin, origin, parse, redacted, without_user
from .auth.credentials import Credentials
from .documents import DocumentSink
from .hop import ErrorBodyTooLongError, Hop, report_failure, report_refusal
from .resilience.gate import OriginLimits
from .resilience.retry import Retry
from .ssrf import AddressPolicy
from .status import ACCEPTED, REDIRECTS, REDIRECTS_WITH_METHOD, refusal
from .watchdog import Watchdog

MAX_HOPS = 5
FORWARDED_FIELDS = frozenset(
    {"accept", "accept-encoding", "content-type", "range", "if-range", "if-match", "if-none-match"}
)
"""Request fields that say nothing about the user: only these follow a redirect to another origin."""
AZURE_API_VERSION = "2021-06-08"
OnRedirect = Callable[[str], Awaitable[None]]


class Http:
    """Fetches by policy through transports. Close it with `await close()`: it owns the transports."""

    def __init__(
        self,
        transports: dict[str, Transport],
        limits: OriginLimits,
        *,
        credentials: Credentials,
        retry: Retry,
        reach: AddressPolicy,
        watchdog: Watchdog,
    ) -> None:
        self._transports = transports
        self.limits = limits
        self._credentials = credentials
        self.retry = retry
        self._reach = reach
        self._watchdog = watchdog

    async def get(self, request: Request, sink: Sink, on_redirect: OnRedirect | None = None) -> Head:
        """Follow redirects and push the final body into `sink`. One attempt; returns the final head.

        `on_redirect` hears of each new URL before it is asked and may raise to stop there.
        Raises `Transient` or `TransferError`; whatever the sink raises comes through as it is.
        """
        place = home = origin(request.url)
        signed, seen = True, {request.url}
        for _ in range(MAX_HOPS + 1):
            sent = self._credentials.sign(request) if signed else request
            try:
                head = await self._hop(sent, place, sink)
            except TransferError as error:
                if not signed:
                    raise
                sent = self._renewed(error, request, sent, place, document=isinstance(sink, DocumentSink))
                head = await self._hop(sent, place, sink)
            if sent is not request and self._credentials.open(place):
                self.limits.gate(place).access.accept_credentials(document=isinstance(sink, DocumentSink))
            if head.status not in REDIRECTS:
                # The signed URL ends here: a key in a query must not travel on as somebody's base URL.
                return head if head.url == request.url else head._replace(url=request.url)
            request = self._credentials.cleaned(_redirected(request, head))
            if request.url in seen:
                raise TransferError(f"{redacted(request.url)} redirects in a circle", kind="redirect-loop")
            seen.add(request.url)
            place = origin(request.url)
            signed = signed and place == home
            if on_redirect is not None:
                await on_redirect(request.url)
        raise TransferError(f"{redacted(request.url)}: after {MAX_HOPS} redirects", kind="redirect-loop")

    def fetchable(self, url: str) -> str:
        """Any URL with all that it needs to be fetched by somebody else, and without what is ours."""
        bare = without_user(url) if "://" in url else url
        return self._credentials.without_ours(bare)

    def _renewed(
        self, error: TransferError, request: Request, sent: Request, place: Origin, *, document: bool
    ) -> Request:
        """The request with credentials that are newer than those refused; raises if there are none."""
        if not error.unauthorized or not self._credentials.open(place):
            raise error
        again = self._credentials.sign_anew(request)
        if again == sent:
            self.limits.gate(place).access.refuse_credentials(document=document)
            raise error
        return again

    async def _hop(self, request: Request, place: Origin, sink: Sink) -> Head:
        if place.scheme != "file":
            self._reach.check_literal(place)
        request = _for_host(request, place)
        gate = self.limits.gate(place)
        if not gate.enter_at_once():
            await gate.enter()
        answer = Hop(sink, self.limits, gate, request.url)
        try:
            await self._send(request, place, answer)
        except BaseException as error:
            report_failure(error, answer)
            raise
        finally:
            answer.end()
            gate.leave()
        head = answer.head
        if head is None:
            raise Transient(f"{redacted(request.url)}: no answer", kind="protocol", tries=3)
        if head.status in ACCEPTED or (head.status in REDIRECTS and head.headers.get("location")):
            return head
        raise self._refused(head, answer, place)

    def _refused(self, head: Head, answer: Hop, place: Origin) -> TransferError:
        error = refusal(head, answer.error_body, answer.url)
        error.signed = self._credentials.open(place)
        report_refusal(error, answer)
        return error

    async def _send(self, request: Request, place: Origin, answer: Hop) -> None:
        transport = self._transports.get(place.scheme)
        if transport is None:
            raise TransferError(f"{redacted(request.url)}: scheme not read", kind="unsupported-scheme")
        self._watchdog.begin(answer)
        try:
            await transport.send(request, answer)
        except ErrorBodyTooLongError:
            pass
        except asyncio.CancelledError:
            # As asyncio.timeout does it, but without its cost for each of a million small files.
            if answer.aborted_task is None or answer.aborted_task.uncancel() > 0:
                raise
            slow = Transient(f"{redacted(request.url)}: {answer.abort_reason}", kind="too-slow")
            slow.free = answer.stalled
            raise slow from None
        finally:
            self._watchdog.end(answer)

    def restart_stalled(self) -> None:
        """Nothing will be requested any more but what is under way: see `Watchdog.restart_stalled`."""
        self._watchdog.restart_stalled()

    async def read(self, request: Request) -> Document:
        """Read one JSON document, with retries. See `ports.Reader`."""
        return await self.retry(partial(self._read_json, request))

    async def read_bytes(self, request: Request) -> tuple[bytes, str]:
        """Read one document of any kind, with retries: its decoded bytes and its final URL."""
        return await self.retry(partial(self._read_once, request))

    async def _read_json(self, request: Request) -> Document:
        raw, url = await self._read_once(request)
        try:
            return Document(orjson.loads(raw.removeprefix(b"\xef\xbb\xbf")), url)
        except orjson.JSONDecodeError as error:
            looks = "an HTML page" if raw.lstrip()[:1] == b"<" else f"not JSON ({error})"
            raise Transient(f"{redacted(url)}: the answer is {looks}", kind="not-json", tries=3) from None

    async def _read_once(self, request: Request) -> tuple[bytes, str]:
        headers = {"accept": "application/geo+json, application/json", "accept-encoding": "gzip"}
        page = DocumentSink(request.url)
        head = await self.get(request._replace(headers={**headers, **request.headers}), page)
        return page.whole(), head.url

    async def close(self) -> None:
        self._watchdog.close()
        for transport in {id(t): t for t in self._transports.values()}.values():
            await transport.close()


def _redirected(request: Request, head: Head) -> Request:
    """The request for the next hop, rebuilt for where it goes."""
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
    return request._replace(url=target, headers=carried)


def _for_host(request: Request, place: Origin) -> Request:
    """Azure answers as of 2009 (no ranges, unquoted ETag) unless the version is named."""
    if not place.host.endswith(".blob.core.windows.net"):
        return request
    return request._replace(headers={**request.headers, "x-ms-version": AZURE_API_VERSION})
