"""The signers for OAuth 2.0: of services with a user's login, and of whatever service the user names."""

from __future__ import annotations

from typing import Any, NamedTuple

from ....core.errors import TransferError
from ....core.model import Request
from ....core.ports import SeenKey, SigningContext
from ....core.urls import origin, parse, redacted
from ..access_tokens.endpoint import TokenEndpoint
from ..access_tokens.grant import Grant, read_grant
from ..access_tokens.hosts import COPERNICUS_HOSTS, TERRASCOPE_HOSTS, https_origins
from ..access_tokens.token_file import TokenFile
from ..declared.schemes import TOKEN_TYPES, DeclaredScheme, declared_scheme
from .bearer import BearerSigner

PREFIX = "MLHUB_OAUTH2"


class _Service(NamedTuple):
    """A service with one token endpoint. `prefix`: of the names of its variables."""

    prefix: str
    token_url: str
    client_id: str
    hosts: frozenset[str]


# https://documentation.dataspace.copernicus.eu/APIs/Token.html
COPERNICUS = _Service(
    "CDSE",
    "https://identity.dataspace.copernicus.eu/auth/realms/CDSE/protocol/openid-connect/token",
    "cdse-public",
    COPERNICUS_HOSTS,
)
# https://docs.terrascope.be/Developers/WebServices/Authentication/Authentication.html
TERRASCOPE = _Service(
    "TERRASCOPE",
    "https://sso.terrascope.be/auth/realms/terrascope/protocol/openid-connect/token",
    "public",
    TERRASCOPE_HOSTS,
)


def copernicus(context: SigningContext) -> BearerSigner | None:
    """The Copernicus Data Space Ecosystem, by CDSE_USERNAME and CDSE_PASSWORD."""
    return _signer_of(COPERNICUS, context)


def terrascope(context: SigningContext) -> BearerSigner | None:
    """Terrascope, by TERRASCOPE_USERNAME and TERRASCOPE_PASSWORD."""
    return _signer_of(TERRASCOPE, context)


def _signer_of(service: _Service, context: SigningContext) -> BearerSigner | None:
    grant = read_grant(context.environ, service.prefix, service.client_id)
    if grant is None:
        return None
    url = context.given_url(f"{service.prefix}_TOKEN_URL") or service.token_url

    async def token_url() -> str:
        return url

    endpoint = TokenEndpoint(token_url, grant, context.reader, context.clock)
    hosts = [*sorted(service.hosts), *map(str, sorted(context.given))]
    key = _seen(grant, ", ".join(hosts), url)
    origins = context.given | https_origins(service.hosts)
    return BearerSigner(origins, endpoint, key, context.clock, kept=_kept(context, grant, url))


def oauth2(context: SigningContext) -> BearerSigner | None:
    """Any service, by MLHUB_OAUTH2_CLIENT_ID and the other variables of this prefix.

    Its token goes to hosts that `--auth` names. It goes to the origin of SOURCE without that where the
    catalogue names a scheme of the type oauth2 or openIdConnect and the token endpoint is at this origin or
    at one of `--allow-origin`. The endpoint is at MLHUB_OAUTH2_TOKEN_URL, else where the catalogue says.
    """
    grant = read_grant(context.environ, PREFIX)
    if grant is None:
        return None
    found = _Endpoints(context, context.given_url(f"{PREFIX}_TOKEN_URL"))
    endpoint = TokenEndpoint(found.url, grant, context.reader, context.clock)
    origins = context.given | ({context.source} if context.source is not None else set())
    key = _seen(grant, ", ".join(map(str, sorted(origins))), found.given)
    kept = _kept(context, grant, found.given)
    return BearerSigner(origins, endpoint, key, context.clock, found.wants, kept)


class _Endpoints:
    """Finds the token endpoint, and decides which requests get a token."""

    def __init__(self, context: SigningContext, given: str) -> None:
        self._context = context
        self.given = given
        self._trusted = context.trusted
        self._schemes: list[DeclaredScheme] = []

    def wants(self, request: Request) -> bool:
        here = origin(request.url)
        texts = (*request.auth, *self._context.declared())
        known = [one for text in texts if (one := declared_scheme(text)).type in TOKEN_TYPES]
        self._schemes = known or self._schemes
        if here in self._context.given:
            return True
        if self.given:
            return bool(self._schemes) and origin(self.given) in self._trusted
        return any(map(self._is_trusted, self._schemes))

    def _is_trusted(self, scheme: DeclaredScheme) -> bool:
        origins = list(scheme.origins())
        return bool(origins) and self._trusted.issuperset(origins)

    async def url(self) -> str:
        """Raises `TransferError` where nothing says where the endpoint is, or the catalogue names an origin
        that nobody has allowed."""
        if self.given:
            return self.given
        for scheme in self._schemes:
            if self._is_trusted(scheme):
                return await self._declared(scheme)
        named = " or ".join(sorted({str(one) for scheme in self._schemes for one in scheme.origins()}))
        if named:
            raise TransferError(
                f"the catalogue names a token endpoint at {named}, which gets no credentials without "
                f"--allow-origin or {PREFIX}_TOKEN_URL",
                kind="unauthorized",
            )
        raise TransferError(
            f"{PREFIX}_TOKEN_URL: nothing says where the token endpoint is", kind="unauthorized"
        )

    async def _declared(self, scheme: DeclaredScheme) -> str:
        if scheme.token_url:
            return parse(scheme.token_url)
        return await self._discovered(parse(scheme.discovery_url))

    async def _discovered(self, url: str) -> str:
        """By OpenID Connect Discovery 1.0 section 4."""
        document: Any = (await self._context.reader.read(Request(url))).body
        named = document.get("token_endpoint") if isinstance(document, dict) else None
        try:
            found = parse(named)
        except TransferError:
            raise TransferError(f"{redacted(url)}: it names no token_endpoint", kind="unauthorized") from None
        if (there := origin(found)) not in self._trusted:
            raise TransferError(
                f"{redacted(url)} names a token endpoint at {there}, which gets no credentials without "
                f"--allow-origin {there}",
                kind="unauthorized",
            )
        return found


def _kept(context: SigningContext, grant: Grant, url: str) -> TokenFile | None:
    """None where the catalogue says where the endpoint is: another one may name another."""
    if not url or not context.token_file:
        return None
    return TokenFile(context.token_file, f"{redacted(url)} {grant.holder}", context.clock)


def _seen(grant: Grant, hosts: str, url: str) -> SeenKey:
    return SeenKey(", ".join(grant.variables), hosts, note=f"token from {redacted(url)}" if url else "")
