"""What the HTTP client promises to a signer (`ports.Signer`) and expects of it, on real sockets."""

import asyncio

import pytest

from mlhub_async import RetryPolicy
from mlhub_async.core.errors import TransferError
from mlhub_async.core.model import Request
from mlhub_async.core.ports import SeenKey
from mlhub_async.core.secret import Secret
from mlhub_async.core.urls import origin
from mlhub_async.http.auth.signer_set import SignerSet
from mlhub_async.http.client import Http
from mlhub_async.http.resilience.gate import OriginLimits
from mlhub_async.http.resilience.retry import Retry
from mlhub_async.http.resilience.suspend import SuspendDetector
from mlhub_async.http.ssrf import AddressPolicy
from mlhub_async.http.watchdog import Watchdog
from support.server import Reply
from support.wire import connected


class TokenSigner:
    """Gets a token for its origin when it is asked to: one at a time, whatever the number of requests."""

    def __init__(self, url, tokens):
        self.origins = {origin(url)}
        self.secrets = set()
        self.tokens = list(tokens)
        self.token = None
        self.renewals = 0
        self._running = None

    def sign(self, request):
        if self.token is None:
            return None
        return request._replace(headers={**request.headers, "Authorization": self.token})

    async def renew(self, request, refused):
        if refused and refused.sent.headers["Authorization"] != self.token:
            return True  # another request has renewed it meanwhile
        if self._running is None:
            self._running = asyncio.ensure_future(self._fetch())
            self._running.add_done_callback(lambda _: setattr(self, "_running", None))
        await self._running
        return True

    def keys(self):
        return [SeenKey("a test", str(self.origins))]

    async def _fetch(self):
        self.renewals += 1
        await asyncio.sleep(0.01)
        self.token = self.tokens.pop(0) if self.tokens else self.token
        self.secrets = {Secret(self.token)}


@pytest.fixture
async def site(troubled):
    return await troubled.site()


@pytest.fixture
async def client_with():
    async with connected("fast") as transport:

        def make(*signers):
            return Http(
                {"http": transport},
                OriginLimits(8),
                signers=SignerSet(signers),
                retry=Retry(RetryPolicy(attempts=1)),
                addresses=AddressPolicy(allow_private=True),
                watchdog=Watchdog(20, 0, SuspendDetector()),
            )

        yield make


def wants(site, token, status=401, code=""):
    """Let the site give out /x for this token alone."""

    def answer(seen):
        good = seen.headers.get("authorization") == token
        refusal = Reply(status, [("x-ms-error-code", code)] if code else [], b"no")
        return Reply(200, [], b"end") if good else refusal

    site.routes["/x"] = answer


async def test_a_signer_without_a_valid_credential_is_renewed_before_the_request(site, client_with):
    wants(site, "token-1")
    signer = TokenSigner(site.url(), ["token-1"])
    client = client_with(signer)
    found = await asyncio.gather(*(client.read_bytes(Request(site.url("/x"))) for _ in range(20)))
    assert {body for body, _ in found} == {b"end"}
    assert signer.renewals == 1 and len(site.log) == 20


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, ""),
        (401, ""),
        (403, ""),
        (410, ""),
        (404, "ResourceNotFound"),
        (409, "PublicAccessNotPermitted"),
    ],
)
async def test_a_refused_credential_is_renewed_and_the_request_sent_once_more(
    site, client_with, status, code
):
    wants(site, "token-2", status, code)
    signer = TokenSigner(site.url(), ["token-1", "token-2"])
    assert (await client_with(signer).read_bytes(Request(site.url("/x"))))[0] == b"end"
    assert [seen.headers["authorization"] for seen in site.log] == ["token-1", "token-2"]


@pytest.mark.parametrize(("status", "code"), [(404, ""), (404, "BlobNotFound"), (405, ""), (409, "")])
async def test_a_refusal_for_another_reason_is_no_reason_for_a_renewal(site, client_with, status, code):
    wants(site, "token-2", status, code)
    signer = TokenSigner(site.url(), ["token-1", "token-2"])
    with pytest.raises(TransferError, match=str(status)):
        await client_with(signer).read_bytes(Request(site.url("/x")))
    assert (len(site.log), signer.renewals) == (1, 1)


async def test_requests_that_were_refused_together_share_one_renewal(site, client_with):
    wants(site, "token-2", 403)
    signer = TokenSigner(site.url(), ["token-1", "token-2"])
    client = client_with(signer)
    await asyncio.gather(*(client.read_bytes(Request(site.url("/x"))) for _ in range(5)))
    assert signer.renewals == 2


async def test_a_secret_of_another_signer_is_not_sent_to_an_origin_with_a_signer_of_its_own(
    site, troubled, client_with
):
    other = await troubled.site()
    other.put("/y", b"end")
    theirs, ours = TokenSigner(other.url(), ["t"]), TokenSigner(site.url(), [])
    ours.secrets = {Secret("long-token-1")}
    await client_with(ours, theirs).read_bytes(Request(other.url("/y?t=long-token-1&page=2")))
    assert [seen.target for seen in other.log] == ["/y?page=2"]


async def test_a_renewal_that_gives_the_same_credential_is_not_tried_again(site, client_with):
    wants(site, "another token")
    signer = TokenSigner(site.url(), ["token-1"])
    with pytest.raises(TransferError, match="401") as caught:
        await client_with(signer).read_bytes(Request(site.url("/x")))
    assert caught.value.signed and caught.value.unauthorized
    assert (len(site.log), signer.renewals) == (1, 2)


async def test_a_signer_that_gets_no_valid_credential_fails_the_request_unsent(site, client_with):
    signer = TokenSigner(site.url(), [])
    signer.token = ""
    signer.sign = lambda request: None
    with pytest.raises(TransferError, match="no valid credentials"):
        await client_with(signer).read_bytes(Request(site.url("/x")))
    assert site.log == []


async def test_a_secret_of_a_renewal_is_not_sent_to_another_origin(site, troubled, client_with):
    other = await troubled.site()
    other.put("/y", b"end")
    site.redirect("/x", other.url("/y?t=long-token-1&page=2"))
    signer = TokenSigner(site.url(), ["long-token-1"])
    await client_with(signer).read_bytes(Request(site.url("/x")))
    assert "long-token-1" in site.log[0].headers["authorization"]
    assert [seen.target for seen in other.log] == ["/y?page=2"] and "authorization" not in other.log[
        0
    ].headers


async def test_signers_sign_in_their_order_and_only_for_their_origins(site, troubled, client_with):
    wants(site, "token-2")
    first, second = TokenSigner(site.url(), ["token-1"]), TokenSigner(site.url(), ["token-2"])
    elsewhere = TokenSigner("http://elsewhere.test", ["token-3"])
    assert (await client_with(first, elsewhere, second).read_bytes(Request(site.url("/x"))))[0] == b"end"
    assert elsewhere.renewals == 0
