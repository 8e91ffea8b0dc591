"""The signer for Google Cloud Storage: an OAuth 2.0 access token of `gcloud auth print-access-token`."""

from __future__ import annotations

from collections.abc import Sequence

from ....core.model import Request
from ....core.ports import Refused, SeenKey, SigningContext
from ....core.secret import Secret, one_line
from ....core.urls import Origin, origin
from .buckets import PrivateBuckets

VARIABLES = ("GOOGLE_OAUTH_ACCESS_TOKEN", "CLOUDSDK_AUTH_ACCESS_TOKEN")
HOST = "storage.googleapis.com"
_FIELD = "Authorization"


class _GoogleHosts:
    def __init__(self, named: frozenset[Origin]) -> None:
        self.named = named

    def __contains__(self, one: object) -> bool:
        if not isinstance(one, Origin):
            return False
        is_google = one.host == HOST or one.host.endswith(f".{HOST}")
        return one in self.named or (one.scheme == "https" and one.port == 443 and is_google)


class GoogleSigner:
    """Adds the token to requests to buckets that refuse those without it. See `ports.Signer`.

    A host that the user names by `--auth` gets the token at once.
    """

    def __init__(self, context: SigningContext, token: Secret, place: str) -> None:
        self._token, self._place, self._given = token, place, context.given
        endpoint = context.endpoints.google
        self.origins = _GoogleHosts(context.given | ({origin(endpoint)} if endpoint else frozenset()))
        self.secrets = frozenset({token})
        self._buckets = PrivateBuckets(always=False)

    def sign(self, request: Request) -> Request:
        if not (origin(request.url) in self._given or self._buckets.needs(request.url)):
            return request
        kept = {name: value for name, value in request.headers.items() if name.lower() != _FIELD.lower()}
        return request._replace(headers={**kept, _FIELD: f"Bearer {self._token.reveal()}"})

    async def renew(self, request: Request, refused: Refused | None) -> bool:
        """The user gave one token: there is no newer one."""
        return refused is not None and self._buckets.refused(
            request.url, signed=_FIELD in refused.sent.headers
        )

    def keys(self) -> Sequence[SeenKey]:
        hosts = ", ".join([HOST, f"*.{HOST}", *sorted(map(str, self.origins.named))])
        return [SeenKey(self._place, hosts, note="where a bucket refuses requests without it")]


def google(context: SigningContext) -> GoogleSigner | None:
    """The token of the first of `VARIABLES` that is set."""
    place = next((name for name in VARIABLES if context.environ.get(name, "").strip()), "")
    return GoogleSigner(context, Secret(one_line(context.environ[place], place)), place) if place else None
