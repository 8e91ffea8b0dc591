"""The token endpoint of OAuth 2.0 (RFC 6749 section 3.2): one request for each access token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus, urlencode

from ....core.errors import TransferError, Transient
from ....core.model import Request
from ....core.secret import Secret
from ....core.urls import redacted, term_safe
from ..credentials import basic
from ..tokens import Token
from .grant import REFRESH_TOKEN, Fields, Grant

if TYPE_CHECKING:
    from ....core.ports import ReadDocuments

FORM = "application/x-www-form-urlencoded"
MIN_HIDDEN_CHARACTERS = 4
"""Shorter secrets are not looked for in what a server says: they may be parts of words."""
FindUrl = Callable[[], Awaitable[str]]


class TokenEndpoint:
    """Gets access tokens by one grant, and later ones by the refresh token that came with the last.

    What the endpoint refuses for good is not asked for again in this run: accounts are locked for that.
    """

    def __init__(
        self, find_url: FindUrl, grant: Grant, reader: ReadDocuments, clock: Callable[[], float]
    ) -> None:
        """`find_url` gives the URL of the endpoint. It is called for each token, and may ask for it."""
        self._find_url = find_url
        self._grant = grant
        self._reader = reader
        self._clock = clock
        self._refresh_token: Secret | None = None
        self._refused: TransferError | None = None

    @property
    def secrets(self) -> list[Secret]:
        """What it shows to the endpoint."""
        return self._grant.secrets + ([self._refresh_token] if self._refresh_token else [])

    async def fetch(self) -> Token:
        """A new access token. Raises `TransferError` where the endpoint refuses, or gives none."""
        if self._refused is not None:
            raise self._refused
        url = await self._find_url()
        if self._refresh_token is not None:
            try:
                fields = {"grant_type": REFRESH_TOKEN, "refresh_token": self._refresh_token.reveal()}
                return await self._ask(url, fields)
            except Transient:
                raise
            except TransferError:
                self._refresh_token = None  # it has ended: the grant itself may still hold
        try:
            return await self._ask(url, self._grant.fields())
        except Transient:
            raise
        except TransferError as error:
            self._refused = self._explained(error)
            raise self._refused from None

    async def _ask(self, url: str, fields: Fields) -> Token:
        asked_at = self._clock()
        document = await self._reader.read(self._request(url, fields))
        return self._token(document.body, url, asked_at)

    def _request(self, url: str, fields: Fields) -> Request:
        """A client with a secret shows it by Basic authentication, one without by its id (section 2.3.1)."""
        headers, grant = {"content-type": FORM, "accept": "application/json"}, self._grant
        if grant.client_secret:
            login, password = quote_plus(grant.client_id), quote_plus(grant.client_secret.reveal())
            headers["authorization"] = basic(login, password).reveal()
        else:
            fields = {**fields, "client_id": grant.client_id}
        return Request(url, "POST", headers, urlencode(fields).encode(), confidential=True)

    def _token(self, answer: Any, url: str, asked_at: float) -> Token:
        """The token in a successful response (section 5.1)."""
        body = answer if isinstance(answer, dict) else {}
        token, kind = body.get("access_token"), body.get("token_type", "bearer")
        if not isinstance(token, str) or not token or not _is_visible(token):
            raise TransferError(f"{redacted(url)}: the answer has no access_token", kind="unauthorized")
        if not isinstance(kind, str) or kind.lower() != "bearer":
            shown = term_safe(kind)
            raise TransferError(
                f"{redacted(url)}: a token of the type {shown}, which is not Bearer", kind="unauthorized"
            )
        refresh = body.get("refresh_token")
        if isinstance(refresh, str) and refresh:
            self._refresh_token = Secret(refresh)
        seconds = _seconds(body.get("expires_in"))
        return Token(Secret(token), None if seconds is None else asked_at + seconds)

    def _explained(self, error: TransferError) -> TransferError:
        """The error as people may see it: endpoints quote what they were sent."""
        message = error.message
        for secret in self._grant.secrets:
            if len(text := secret.reveal()) >= MIN_HIDDEN_CHARACTERS:
                message = message.replace(text, "***")
        message += f": no access token; check {', '.join(self._grant.variables)}"
        found = TransferError(message, kind="unauthorized", status=error.status)
        found.signed = found.denied = found.unauthorized = True
        return found


def _is_visible(token: str) -> bool:
    """Whether it can be in a header field (RFC 6750 section 2.1 allows fewer characters)."""
    return token.isascii() and token.isprintable() and " " not in token


def _seconds(given: object) -> float | None:
    """`expires_in`, which some write as a text."""
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        return None
    try:
        seconds = float(given)
    except ValueError:
        return None
    return seconds if 0 < seconds < float("inf") else None
