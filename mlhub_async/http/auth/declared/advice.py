"""What access to an asset needs by the words of its catalogue, for people."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from ....core.errors import TransferError
from ....core.urls import Origin, origin, term_safe
from ..access_tokens.hosts import COPERNICUS_HOSTS, EARTHDATA_HOSTS, TERRASCOPE_HOSTS
from .schemes import API_KEY, HTTP, S3, SIGNED_URL, TOKEN_TYPES, DeclaredScheme, declared_scheme

MAX_SCHEMES = 3
_LOGINS = (
    (EARTHDATA_HOSTS, "EARTHDATA_TOKEN"),
    (COPERNICUS_HOSTS, "CDSE_USERNAME and CDSE_PASSWORD"),
    (TERRASCOPE_HOSTS, "TERRASCOPE_USERNAME and TERRASCOPE_PASSWORD"),
)
"""Variables by the hosts of services."""


def advise(error: TransferError, auth: Sequence[str], url: str, trusted: Collection[Origin]) -> None:
    """Set `error.advice`, and add it to the message, where an address with these schemes gave no access.

    `trusted`: the origins that the user has named.
    """
    here = origin(url)
    error.advice = " or ".join(_of(declared_scheme(text), here, trusted) for text in auth[:MAX_SCHEMES])
    error.message += f"; the catalogue says that it needs {error.advice}"
    error.args = (error.message,)


def _of(scheme: DeclaredScheme, here: Origin, trusted: Collection[Origin]) -> str:
    others = [one for one in _others(scheme, here) if one not in trusted]
    words = [f"{one} gets no credentials without --allow-origin {one}" for one in others]
    return f"{scheme.shown}: {', '.join([_how(scheme, here), *words])}"


def _others(scheme: DeclaredScheme, here: Origin) -> Iterator[Origin]:
    """Origins beside that of the asset which would see a secret; of known services it is known which."""
    if not any(here.host in hosts for hosts, _ in _LOGINS):
        yield from dict.fromkeys(there for there in scheme.origins() if there != here)


def _how(scheme: DeclaredScheme, here: Origin) -> str:
    for hosts, variables in _LOGINS:
        if here.host in hosts:
            return f"set {variables}"
    if scheme.type in TOKEN_TYPES:
        return f"set MLHUB_OAUTH2_CLIENT_ID and a login, and give --auth {_host(here)}=oauth2"
    if scheme.type == S3:
        return f"set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and give --auth {_host(here)}=s3"
    if scheme.type == API_KEY and scheme.place == "header":
        return f"give --api-key if SOURCE is at {here}, else -H '{here} {term_safe(scheme.parameter)}: ...'"
    if scheme.type == API_KEY:
        return f"give --api-key if SOURCE is at {here}"
    if scheme.type == HTTP and scheme.http_scheme == "basic":
        return f"add {here.host} to ~/.netrc, and give --netrc"
    if scheme.type == HTTP and scheme.http_scheme == "bearer":
        return f"give -H '{here} Authorization: Bearer ...'"
    if scheme.type == SIGNED_URL:
        return "its URL has to be signed"
    return "a scheme that this program does not know"


def _host(here: Origin) -> str:
    return str(here).removeprefix("https://")
