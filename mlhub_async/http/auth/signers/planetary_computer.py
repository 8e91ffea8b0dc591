"""The signer for the Planetary Computer: a shared access signature per container, from its token endpoint.

https://planetarycomputer.microsoft.com/docs/concepts/sas/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ....core.errors import TransferError, Transient, UsageError
from ....core.model import Request
from ....core.ports import Refused, SeenKey, SigningContext
from ....core.secret import Secret, one_line
from ....core.urls import (
    Origin,
    has_placeholder,
    is_of_planetary_computer,
    origin,
    parse,
    redacted,
    split_shared_access,
)
from ..access_tokens.token_file import TokenFile
from ..schemes import PLANETARY_COMPUTER
from ..tokens import Token, TokenCache
from .shared_access import (
    BlobContainer,
    blob_container,
    end_of,
    is_account_host,
    is_signed,
    secrets_of,
    unix_time,
    with_signature,
)

TOKENS = f"{PLANETARY_COMPUTER}/api/sas/v1/token"
KEY_VARIABLE, URL_VARIABLE = "PC_SDK_SUBSCRIPTION_KEY", "PC_SDK_SAS_URL"
SETTINGS = ".planetarycomputer/settings.env"
PUBLIC_ACCOUNTS = frozenset({"ai4edatasetspublicassets"})
"""Accounts whose containers everybody may read: there are no tokens for them."""
NAMED = '["planetary-computer",'
"""How `Request.auth` names this scheme: the item of a file is from there."""


class _AccountHosts:
    """All hosts of Azure Storage, and others that the user names: a token is for one container only."""

    def __init__(self, given: frozenset[Origin]) -> None:
        self._given = given

    def __contains__(self, one: object) -> bool:
        return isinstance(one, Origin) and (
            one in self._given or (one.scheme == "https" and one.port == 443 and is_account_host(one.host))
        )


class PlanetaryComputerSigner:
    """Adds to each request the token of its container. See `ports.Signer`.

    Containers get a token where the user names the host or the catalogue of the Planetary Computer, where
    the item of a file is from there, and where a URL has one of its signatures that has ended: that is taken
    out. A signature that is valid, or another one, stays.
    """

    def __init__(self, context: SigningContext) -> None:
        settings = _settings(context.environ)
        self._tokens_url = parse(settings.get(URL_VARIABLE) or TOKENS).rstrip("/")
        if URL_VARIABLE in settings:
            context.name_address(self._tokens_url)
        self._key = Secret(one_line(settings.get(KEY_VARIABLE, ""), KEY_VARIABLE))
        self._reader, self._clock = context.reader, context.clock
        self._tokens: TokenCache[BlobContainer] = TokenCache(self._fetch, context.clock)
        self._given = context.given
        self._is_home = context.source == origin(PLANETARY_COMPUTER)
        self._signed: set[BlobContainer] = set()
        """containers that get a token for another reason"""
        self._refused: set[BlobContainer] = set()
        """containers whose signatures in URLs are not believed any more"""
        self.origins = _AccountHosts(context.given)
        self.secrets: set[Secret] = {self._key} if self._key else set()
        self._kept = TokenFile(context.token_file, redacted(self._tokens_url), context.clock)
        for place, token in self._kept.load():
            account, _, name = place.partition("/")
            self._tokens.put(BlobContainer(account, name), token)
            self.secrets |= secrets_of(token.secret)

    def sign(self, request: Request) -> Request | None:
        container = blob_container(request.url)
        if container is None or container.account in PUBLIC_ACCOUNTS:
            return request
        bare, own = split_shared_access(request.url)
        if own and not self._is_over(own, container):
            return request
        if own:
            self._signed.add(container)
        if any(text.startswith(NAMED) for text in request.auth):
            self._signed.add(container)
        if not (self._is_home or origin(request.url) in self._given or container in self._signed):
            return request
        token = self._tokens.get(container)
        if token is not None:
            return with_signature(request._replace(url=bare), token.secret)
        return request if self._tokens.lacks(container) else None

    def _is_over(self, signature: str, container: BlobContainer) -> bool:
        if not is_of_planetary_computer(signature):
            return False
        end = end_of(signature)
        is_over = container in self._refused or (end is not None and end <= self._clock())
        return is_over or has_placeholder(f"?{signature}")

    async def renew(self, request: Request, refused: Refused | None) -> bool:
        container = blob_container(request.url)
        if container is None or container.account in PUBLIC_ACCOUNTS:
            return False
        if refused is None:
            await self._tokens.renew(container)
            return True
        token = self._tokens.get(container)
        if token is not None and refused.sent.url.endswith(token.secret.reveal()):
            return await self._tokens.renew(container, token.secret)
        self._refused.add(container)
        if self.sign(request) is None:
            await self._tokens.renew(container)
        return self.sign(request) not in (None, refused.sent)

    async def _fetch(self, container: BlobContainer) -> Token | None:
        """A token; None for a container that is not of the Planetary Computer."""
        url = f"{self._tokens_url}/{container.account}/{container.name}"
        fields = {"Ocp-Apim-Subscription-Key": self._key.reveal()} if self._key else {}
        try:
            body = (await self._reader.read(Request(url, headers=fields))).body
        except Transient:
            raise
        except TransferError as error:
            if error.absent or error.rejected:
                return None
            why = f"no token for the container {container.name} of {container.account}: {error.message}"
            raise TransferError(why, kind="unauthorized") from error
        token, until = _parsed(body)
        if token is None:
            raise TransferError(f"{redacted(self._tokens_url)}: the answer has no token", kind="unauthorized")
        self.secrets |= secrets_of(token)
        found = Token(token, until)
        self._kept.keep(f"{container.account}/{container.name}", found)
        return found

    def keys(self) -> Sequence[SeenKey]:
        hosts = ", ".join(["*.blob.core.windows.net", *map(str, self._given)])
        place = KEY_VARIABLE if self._key else "no key is needed"
        held = [
            SeenKey(self._tokens_url, f"{one.account}/{one.name}", token.until)
            for one, token in self._tokens.held()
        ]
        return [SeenKey(place, hosts, note=f"a token per container from {self._tokens_url}"), *held]


def planetary_computer(context: SigningContext) -> PlanetaryComputerSigner:
    """Without a key tokens are shorter and fewer."""
    return PlanetaryComputerSigner(context)


def _parsed(body: Any) -> tuple[Secret | None, float | None]:
    """The token of an answer, and its end."""
    text = body.get("token") if isinstance(body, dict) else None
    if not isinstance(text, str) or not is_signed(text) or not text.isascii() or not text.isprintable():
        return None, None
    text = text.lstrip("?")
    said = body.get("msft:expiry")
    return Secret(text), unix_time(said) if isinstance(said, str) else end_of(text)


def _settings(environ: Mapping[str, str]) -> dict[str, str]:
    """The settings of the official client: from the variables, else from its file."""
    path = Path(environ.get("HOME") or environ.get("USERPROFILE") or "~").expanduser() / SETTINGS
    try:
        lines = path.read_text("utf-8").splitlines()
    except FileNotFoundError:
        lines = []
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    pairs = (line.partition("=")[::2] for line in lines if not line.lstrip().startswith("#"))
    found = {name.strip(): value.strip().strip("'\"") for name, value in pairs}
    found |= {name: environ[name] for name in (KEY_VARIABLE, URL_VARIABLE) if environ.get(name)}
    return {name: value for name, value in found.items() if value}
