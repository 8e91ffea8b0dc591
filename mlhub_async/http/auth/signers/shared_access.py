"""Signers for a shared access signature of Azure Storage that the user has: in SOURCE, or a variable.

https://learn.microsoft.com/rest/api/storageservices/create-service-sas
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Container, Sequence
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

from ....core.errors import UsageError
from ....core.model import Request
from ....core.ports import Refused, SeenKey, SigningContext
from ....core.secret import Secret, one_line
from ....core.urls import Origin, origin, split_shared_access

TOKEN_VARIABLE, ACCOUNT_VARIABLE = "AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_ACCOUNT"
COPY_SOURCE = "x-ms-copy-source"
"""The field with the URL of the blob that is copied."""
_is_account = re.compile(r"[a-z0-9]{3,24}", re.ASCII).fullmatch
_account_host = re.compile(r"([a-z0-9]{3,24})\.(?:blob|dfs)\.core\.windows\.net", re.ASCII).fullmatch
ROOT = "$root"
"""The name of the container whose blobs have no folder in their URLs."""


class SharedAccessSigner:
    """Adds the signature to requests for the container of `url`, and to no others. See `ports.Signer`.

    A URL that has a signature of its own keeps it.
    """

    def __init__(self, url: str, signature: Secret) -> None:
        self._signature = signature
        self._container = container_of(url)
        self._origin = origin(url)
        self.origins = frozenset({self._origin})
        self.secrets = secrets_of(signature)

    def sign(self, request: Request) -> Request:
        rest, _, query = request.url.partition("?")
        if not self._is_inside(_path(rest)) or is_signed(query):
            return request
        return with_signature(request, self._signature)

    async def renew(self, request: Request, refused: Refused | None) -> bool:
        """The user gave one signature: there is no newer one."""
        return False

    def keys(self) -> Sequence[SeenKey]:
        until = end_of(self._signature.reveal())
        return [SeenKey("the URL of SOURCE", f"{self._origin}{self._container}", until)]

    def _is_inside(self, path: str) -> bool:
        names = path.removeprefix(self._container).split("/")
        if not path.startswith(self._container) or {".", ".."} & set(map(unquote, names)):
            return False
        return self._container != "/" or len(names) == 1


class AccountSigner:
    """Adds the signature of a variable to all requests to an account. See `ports.Signer`.

    A URL with a signature of its own keeps it until that has ended or was refused: it is taken out then.
    A blob that another one is copied from is read with the signature too.
    """

    def __init__(
        self, signature: Secret, origins: frozenset[Origin], clock: Callable[[], float], place: str = ""
    ) -> None:
        """`place`: what URLs of the account begin with at an endpoint that has several, "" for none."""
        self._signature = signature
        self._clock = clock
        self._place = place
        self._shared = origin(place) if place and origin(place) not in origins else None
        """the origin of which only this account gets the signature"""
        origins |= {origin(place)} if place else frozenset()
        self._refused: set[BlobContainer | None] = set()
        """containers whose signatures in URLs are not believed any more"""
        self.origins: Container[Origin] = origins
        self._hosts = ", ".join(sorted(map(str, origins)))
        self.secrets = secrets_of(signature)

    def sign(self, request: Request) -> Request:
        if origin(request.url) == self._shared and not request.url.startswith(self._place):
            return request
        if source := request.headers.get(COPY_SOURCE):
            signed = with_signature(Request(source), self._signature).url
            request = request._replace(headers={**request.headers, COPY_SOURCE: signed})
        bare, own = split_shared_access(request.url)
        if is_signed(request.url.partition("?")[2]) and not (own and self._is_over(own, request.url)):
            return request
        return with_signature(request._replace(url=bare), self._signature)

    def _is_over(self, own: str, url: str) -> bool:
        end = end_of(own)
        return blob_container(url) in self._refused or (end is not None and end <= self._clock())

    async def renew(self, request: Request, refused: Refused | None) -> bool:
        """The user gave one signature: only one that the URL has may be replaced by it."""
        container = blob_container(request.url)
        if refused is None or not split_shared_access(request.url)[1] or container in self._refused:
            return False
        self._refused.add(container)
        return True

    def keys(self) -> Sequence[SeenKey]:
        note = "" if self._hosts else f"not used: {ACCOUNT_VARIABLE} does not say for which account it is"
        return [SeenKey(TOKEN_VARIABLE, self._hosts, end_of(self._signature.reveal()), note)]


def azure_sas(context: SigningContext) -> AccountSigner | None:
    """The signature of AZURE_STORAGE_SAS_TOKEN, for the account of AZURE_STORAGE_ACCOUNT."""
    text = one_line(context.environ.get(TOKEN_VARIABLE, ""), TOKEN_VARIABLE).lstrip("?")
    if not text:
        return None
    if not is_signed(text):
        raise UsageError(f"{TOKEN_VARIABLE} is no shared access signature: it has no 'sig='")
    account, endpoint = context.environ.get(ACCOUNT_VARIABLE, "").strip(), context.endpoints.azure
    place = f"{endpoint}/{account}/" if account and endpoint else ""
    return AccountSigner(Secret(text), context.given | account_origins(context), context.clock, place)


def account_origins(context: SigningContext) -> frozenset[Origin]:
    """The hosts of the account that AZURE_STORAGE_ACCOUNT names."""
    account = context.environ.get(ACCOUNT_VARIABLE, "").strip()
    if not account:
        return frozenset()
    if not _is_account(account):
        raise UsageError(f"{ACCOUNT_VARIABLE} is no name of a storage account: 3 to 24 of a-z and 0-9")
    kinds = ("blob", "dfs")
    return frozenset(Origin("https", f"{account}.{kind}.core.windows.net", 443) for kind in kinds)


class BlobContainer(NamedTuple):
    """A container of an account."""

    account: str
    name: str


def blob_container(url: str) -> BlobContainer | None:
    """The container that a URL is in, also that of a listing; None where the account is not in the URL."""
    start, _, query = url.partition("?")
    names = _path(start).split("/")[1:]
    host = origin(url).host
    found = _account_host(host)
    account = found[1] if found else ""
    if not found and _has_no_domain(host):
        account, names = names[0], names[1:]
    if not _is_account(account) or not names or {".", ".."} & set(map(unquote, names)):
        return None
    is_listing = "restype=container" in query.split("&")
    return BlobContainer(account, names[0] if names[0] and (len(names) > 1 or is_listing) else ROOT)


def is_account_host(host: str) -> bool:
    """Whether a host is that of an account of Azure Storage."""
    return bool(_account_host(host))


def container_of(url: str) -> str:
    """The path of the container that an object is in, ending in a slash; "/" for the container `$root`.

    The first name of the path is the container. On hosts without a domain (an emulator) the account comes
    before it, where there are that many folders.
    """
    folders = _path(url).split("/")[1:-1]
    names = folders[: 2 if _has_no_domain(origin(url).host) else 1]
    return "/" + "".join(f"{name}/" for name in names)


def with_signature(request: Request, signature: Secret) -> Request:
    """The request with a signature at the end of its query."""
    rest, _, query = request.url.partition("?")
    joined = f"{query}&" if query else ""
    return request._replace(url=f"{rest}?{joined}{signature.reveal()}")


def secrets_of(signature: Secret) -> frozenset[Secret]:
    """The parts of a signature that authenticate."""
    pairs = parse_qsl(signature.reveal())
    return frozenset(Secret(value) for name, value in pairs if name.lower() == "sig")


def end_of(signature: str) -> float | None:
    """When a signature ends, as a Unix time; None where it does not say so."""
    ends = [value for name, value in parse_qsl(signature) if name.lower() == "se"]
    return unix_time(ends[0]) if ends else None


def unix_time(text: str) -> float | None:
    """A time of ISO 8601 as a Unix time; one without an offset is UTC. None for another text."""
    from datetime import UTC, datetime

    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def is_signed(query: str) -> bool:
    """Whether a query has a signature."""
    return any(unquote(pair.partition("=")[0]).lower() == "sig" for pair in query.split("&"))


def _path(url: str) -> str:
    rest = url.partition("?")[0]
    start = rest.find("/", rest.find("://") + 3)
    return rest[start:] if start > 0 else "/"


def _has_no_domain(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "." not in host
    return True
