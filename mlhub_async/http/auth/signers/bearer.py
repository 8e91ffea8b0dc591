"""The signer for access tokens that a token endpoint gives (RFC 6750): one token, renewed before it ends."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import TYPE_CHECKING, Protocol

from ....core.model import Request
from ....core.secret import Secret
from ....core.urls import Origin
from ..credentials import BEARER
from ..tokens import Token, TokenCache

if TYPE_CHECKING:
    from ....core.ports import Refused, SeenKey
    from ..access_tokens.token_file import TokenFile

AUTHORIZATION = "Authorization"
Wants = Callable[[Request], bool]


class TokenSource(Protocol):
    """Gets access tokens. `secrets` are what it gets them with."""

    @property
    def secrets(self) -> list[Secret]: ...

    async def fetch(self) -> Token: ...


class BearerSigner:
    """Adds the token to requests to `origins` that `wants` is true of. See `ports.Signer`."""

    def __init__(
        self,
        origins: Container[Origin],
        source: TokenSource,
        key: SeenKey,
        clock: Callable[[], float],
        wants: Wants = lambda request: True,
        kept: TokenFile | None = None,
    ) -> None:
        """`key`: what may be said of the credentials that the token is got with."""
        self.origins = origins
        self._source = source
        self._key = key
        self._wants = wants
        self._tokens = TokenCache(self._fetch, clock)
        self._kept = kept
        for name, token in () if kept is None else kept.load():
            self._tokens.put(name, token)

    async def _fetch(self, name: str) -> Token:
        token = await self._source.fetch()
        if self._kept is not None:
            self._kept.keep(name, token)
        return token

    @property
    def secrets(self) -> list[Secret]:
        return [token.secret for _, token in self._tokens.held()] + self._source.secrets

    def sign(self, request: Request) -> Request | None:
        if not self._wants(request):
            return request
        if (token := self._tokens.get("")) is None:
            return None
        others = {name: value for name, value in request.headers.items() if name.lower() != "authorization"}
        return request._replace(headers={**others, AUTHORIZATION: BEARER + token.secret.reveal()})

    async def renew(self, request: Request, refused: Refused | None) -> bool:
        """Only 401 and 403 may be due to the token (RFC 6750 section 3.1)."""
        if not self._wants(request):
            return refused is None
        if refused is None:
            return await self._tokens.renew("")
        if not refused.error.denied:
            return False
        sent = refused.sent.headers.get(AUTHORIZATION, "").removeprefix(BEARER)
        return await self._tokens.renew("", Secret(sent))

    def keys(self) -> Sequence[SeenKey]:
        until = next((token.until for _, token in self._tokens.held()), self._key.until)
        return [self._key._replace(until=until)]
