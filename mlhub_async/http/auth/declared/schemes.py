"""Authentication schemes as a catalogue describes them, and who they would tell a secret.

https://github.com/stac-extensions/authentication, version 1.1.0. What is read here is untrusted: it
never adds an origin to those that may see a credential.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from ....core.errors import TransferError
from ....core.json_text import parse_json
from ....core.urls import Origin, origin, parse, term_safe

API_KEY, HTTP, OAUTH2, OPEN_ID, S3, SIGNED_URL = (
    "apiKey",
    "http",
    "oauth2",
    "openIdConnect",
    "s3",
    "signedUrl",
)
"""Types of schemes that the extension defines."""
TOKEN_TYPES = frozenset({OAUTH2, OPEN_ID})
MAX_URL_CHARACTERS = 2000


class DeclaredScheme(NamedTuple):
    """One scheme. `name` is that by which it is referred to, `type` "" where it is not described.

    `parameter` is the name of the header field, query parameter or cookie for an API key, and `place` which
    of these it is; `http_scheme` is that of the Authorization field, in lower case. `flow` is the Signed URL
    Object.
    """

    name: str
    type: str = ""
    parameter: str = ""
    place: str = ""
    http_scheme: str = ""
    token_url: str = ""
    discovery_url: str = ""
    authorization_api: str = ""
    flow: Any = None

    @property
    def shown(self) -> str:
        """Its name and type, for people."""
        kind = f"{self.type} {self.http_scheme}".strip() if self.type == HTTP else self.type
        return f"{term_safe(self.name)!r} ({term_safe(kind) if kind else 'which it does not describe'})"

    def origins(self) -> Iterator[Origin]:
        """The origins that would see a secret before the host of the asset does."""
        for url in (self.token_url, self.discovery_url, self.authorization_api):
            if url and (there := url_origin(url)) is not None:
                yield there


@lru_cache(maxsize=256)
def declared_scheme(text: str) -> DeclaredScheme:
    """The scheme in an entry of `Request.auth`. Members that are not of the type that they should be of count
    as absent."""
    name, scheme = parse_json(text.encode())
    if not isinstance(scheme, dict):
        return DeclaredScheme(str(name))
    flows = scheme.get("flows")
    first, token_url = _flow(flows if isinstance(flows, dict) else {})
    return DeclaredScheme(
        str(name),
        _text(scheme.get("type")),
        _text(scheme.get("name")),
        _text(scheme.get("in")),
        _text(scheme.get("scheme")).lower(),
        token_url,
        _text(scheme.get("openIdConnectUrl")),
        _text(first.get("authorizationApi")),
        first,
    )


def _flow(flows: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The first flow that this program can use, and its token URL.

    Version 1.0.0 has an example with the members of a flow in the place of the flows.
    """
    known = [flows[name] for name in ("clientCredentials", "password") if isinstance(flows.get(name), dict)]
    known += [flow for flow in flows.values() if isinstance(flow, dict) and flow not in known]
    for flow in [*known, flows]:
        if (token_url := _text(flow.get("tokenUrl"))) or "authorizationApi" in flow:
            return flow, token_url
    return {}, ""


def _text(value: object) -> str:
    return value if isinstance(value, str) and len(value) <= MAX_URL_CHARACTERS else ""


def url_origin(url: str) -> Origin | None:
    """The origin of a URL of a catalogue, None for one that is not for http or https."""
    try:
        found = origin(parse(url))
    except TransferError:
        return None
    return found if found.scheme in ("http", "https") else None
