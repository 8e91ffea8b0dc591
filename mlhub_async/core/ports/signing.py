"""The protocol of a signer, which adds credentials to requests, and what a signer is made with."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Mapping, Sequence
from typing import NamedTuple, Protocol

from ..errors import TransferError, UsageError
from ..model import Document, Request
from ..secret import Secret
from ..urls import Origin, StoreEndpoints, parse


class Refused(NamedTuple):
    """A request as it was sent, with credentials, and the error that the origin's refusal stands for."""

    sent: Request
    error: TransferError


class SeenKey(NamedTuple):
    """What may be said of a credential: never its value."""

    place: str
    """where it comes from: the name of a variable, a file, an address"""
    hosts: str
    """who may see it, in words"""
    until: float | None = None
    """when it ends, as a Unix time; None: not known, or never"""
    note: str = ""


class Signer(Protocol):
    """Adds credentials to requests to its `origins`. The client sends them nowhere else.

    `sign` returns the request with credentials in its header fields or its query, or None if it has none
    that is valid at present and `renew` may get one; it makes no request itself. The client calls it for
    every hop, and only for requests to one of the origins.
    `renew` gets credentials for a request: the client awaits it when `sign` has returned None, and once for
    each request that was refused with 400, 401, 403 or 410, or with an error code that stands for missing
    credentials. It returns whether there are others now than those in `refused`; only then the request is
    signed and sent once more. Many requests may call it at a time: they share one renewal, which is easy
    with `http.auth.tokens.TokenCache`. It raises `TransferError` or `Transient` where it fails. It may change
    `origins` and `secrets`.
    `secrets` are values that the client removes from the query of every request to other origins, as servers
    echo them. `keys` tells which credentials there are, for `auth status`: it makes no request.
    """

    @property
    def origins(self) -> Container[Origin]: ...

    @property
    def secrets(self) -> Collection[Secret]: ...

    def sign(self, request: Request) -> Request | None: ...

    async def renew(self, request: Request, refused: Refused | None) -> bool: ...

    def keys(self) -> Sequence[SeenKey]: ...


class ReadDocuments(Protocol):
    """Reads JSON documents through the HTTP client of the run; see `Reader.read`."""

    async def read(self, request: Request) -> Document: ...


class SigningContext(NamedTuple):
    """What a signer is made with."""

    environ: Mapping[str, str]
    reader: ReadDocuments
    """for requests to token endpoints, by GET or POST, which become `confidential`: only while the run lasts,
    not when a signer is made"""
    given: frozenset[Origin]
    """the origins that `--auth` names for the scheme: they may see its credentials, whatever their name"""
    source: Origin | None
    """the origin of SOURCE; None for a local one"""
    endpoints: StoreEndpoints
    """the object stores that the user names"""
    request_payer: bool
    """whether the user agrees to pay for requests and transfers"""
    name_address: Callable[[str], None]
    """tells that the user has given a URL, by a variable: it may be at a private address"""
    clock: Callable[[], float]
    """the Unix time"""
    trusted: frozenset[Origin] = frozenset()
    """the origins that the user has named: that of SOURCE, and those of `--allow-origin`"""
    declared: Callable[[], Sequence[str]] = tuple
    """gives the authentication schemes that documents of the catalogue have named so far for links to the
    origin of SOURCE, in the form of `Request.auth`"""

    token_file: str = ""
    """where tokens are kept for later runs; "": in memory only"""

    def given_url(self, variable: str) -> str:
        """The URL in a variable, "" where it is not set. Raises `UsageError` where it is no URL."""
        if not (given := self.environ.get(variable, "")):
            return ""
        try:
            url = parse(given)
        except TransferError as error:
            raise UsageError(f"{variable}: {error.message}") from None
        self.name_address(url)
        return url


MakeSigner = Callable[[SigningContext], Signer | None]
"""Makes the signer of a scheme; None where there are no credentials for it. It makes no request.

Entry points of the group `mlhub_async.signers` are of this type; their names are those of schemes. Raises
`UsageError` for credentials that cannot be used.
"""
