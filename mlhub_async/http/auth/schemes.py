"""The schemes of authentication by name: which one signs for an origin, and how its signer is made.

A scheme is one of this package (`BUILT_IN`) or an entry point of the group `mlhub_async.signers`. The signer
of a built-in scheme is made when the first request goes to a host of it; one of an entry point is made, and
its package imported, only where `--auth HOST=SCHEME` names it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ...core.errors import TransferError, UsageError
from ...core.model import Document, Request
from ...core.urls import Origin, origin, parse, redacted
from .credentials import Credential

if TYPE_CHECKING:
    from ...core.ports import MakeSigner, Signer, SigningContext
    from .declared.links import DeclaredByLinks

ENTRY_POINTS = "mlhub_async.signers"
HUB = "https://huggingface.co"
PLANETARY_COMPUTER = "https://planetarycomputer.microsoft.com"
NONE = "none"
"""The scheme for origins that get no credentials of any scheme."""


class Scheme(NamedTuple):
    """A scheme of this package. `hosts` tells without an import which origins its signer may sign for."""

    module: str
    function: str
    hosts: Callable[[Origin, SigningContext], bool]
    after_redirect: bool = False
    """whether it signs also where a redirect has led to one of its hosts"""


def _is_hub(here: Origin, context: SigningContext) -> bool:
    return here == origin(parse(context.environ.get("HF_ENDPOINT") or HUB))


def _is_azure(here: Origin, context: SigningContext) -> bool:
    return here.host.endswith((".blob.core.windows.net", ".dfs.core.windows.net"))


def _is_azure_account(here: Origin, context: SigningContext) -> bool:
    return _is_azure(here, context) or _is_at(here, context.endpoints.azure)


def _is_source(here: Origin, context: SigningContext) -> bool:
    return here == context.source and _has(context, "MLHUB_OAUTH2_")


def _has(context: SigningContext, prefix: str) -> bool:
    return any(name.startswith(prefix) for name in context.environ)


def _hosts(name: str, prefix: str) -> Callable[[Origin, SigningContext], bool]:
    """The hosts of that name in `access_tokens.hosts`, where there are variables for them."""

    def are_hosts(here: Origin, context: SigningContext) -> bool:
        if not _has(context, prefix):
            return False
        from .access_tokens import hosts

        return here in hosts.https_origins(getattr(hosts, name))

    return are_hosts


def _is_s3(here: Origin, context: SigningContext) -> bool:
    return _is_at(here, context.endpoints.s3) or here.host.endswith((".amazonaws.com", ".amazonaws.com.cn"))


def _is_google(here: Origin, context: SigningContext) -> bool:
    return _is_at(here, context.endpoints.google) or f".{here.host}".endswith(".storage.googleapis.com")


def _is_at(here: Origin, endpoint: str) -> bool:
    return bool(endpoint) and here == origin(endpoint)


def _nowhere(here: Origin, context: SigningContext) -> bool:
    """Only where `--auth` names the scheme."""
    return False


BUILT_IN = {
    "azure-sas": Scheme("shared_access", "azure_sas", _is_azure_account),
    "planetary-computer": Scheme("planetary_computer", "planetary_computer", _is_azure),
    "s3": Scheme("s3", "s3", _is_s3),
    "google": Scheme("google", "google", _is_google),
    "hugging-face": Scheme("hugging_face", "hugging_face", _is_hub),
    "earthdata": Scheme("earthdata", "earthdata", _hosts("EARTHDATA_HOSTS", "EARTHDATA_"), True),
    "earthdata-s3": Scheme("earthdata", "earthdata_s3", _nowhere),
    "copernicus": Scheme("oauth2", "copernicus", _hosts("COPERNICUS_HOSTS", "CDSE_"), True),
    "terrascope": Scheme("oauth2", "terrascope", _hosts("TERRASCOPE_HOSTS", "TERRASCOPE_"), True),
    "oauth2": Scheme("oauth2", "oauth2", _is_source),
}
"""By name, in the order in which they sign."""


class _ForOrigins(Protocol):
    @property
    def given(self) -> Collection[Origin]:
        """The origins that `--auth` names."""
        ...

    def signers_for(self, origin: Origin) -> list[Signer]: ...

    def after_redirect(self) -> _ForOrigins: ...


class _NoSchemes:
    given: Collection[Origin] = ()

    def signers_for(self, origin: Origin) -> list[Signer]:
        return []

    def after_redirect(self) -> _NoSchemes:
        return self


class _AfterRedirect:
    """Schemes whose hosts send each other requests that need a token again."""

    def __init__(self, schemes: RunSchemes) -> None:
        self._schemes = schemes
        self.given: Collection[Origin] = ()

    def signers_for(self, origin: Origin) -> list[Signer]:
        return self._schemes.signers_for(origin, redirected=True)

    def after_redirect(self) -> _AfterRedirect:
        return self


class RunSchemes:
    """The schemes of one run."""

    def __init__(self, context: SigningContext, given: Iterable[str], *, strict: bool = True) -> None:
        """`given`: texts HOST=SCHEME of `--auth`.

        Raises `UsageError` for one that is not of this form, and if it is `strict` for one whose scheme is
        unknown or has no credentials.
        """
        self._context = context
        self._given = dict(assignments(given))
        self.given: Collection[Origin] = self._given.keys()
        self._made: dict[str, Signer | None] = {}
        for host, name in self._given.items() if strict else ():
            if name != NONE and self.signer(name) is None:
                raise UsageError(
                    f"--auth {host}={name}: there are no credentials for this scheme; "
                    "'mlhub-async auth status' says what is looked for"
                )

    def signers_for(self, origin: Origin, *, redirected: bool = False) -> list[Signer]:
        """The signers of an origin: that of the scheme that `--auth` names, else all whose own it is."""
        if (name := self._given.get(origin)) is not None:
            names = [] if name == NONE else [name]
        else:
            names = [name for name, one in BUILT_IN.items() if one.hosts(origin, self._context)]
        if redirected:
            names = [name for name in names if name in BUILT_IN and BUILT_IN[name].after_redirect]
        found = [self.signer(name) for name in names]
        return [one for one in found if one is not None and origin in one.origins]

    def after_redirect(self) -> _AfterRedirect:
        return _AfterRedirect(self)

    def signer(self, name: str) -> Signer | None:
        """The signer of a scheme, None where it has no credentials. Raises `UsageError`."""
        if name not in self._made:
            given = frozenset(origin for origin, scheme in self._given.items() if scheme == name)
            self._made[name] = maker(name)(self._context._replace(given=given))
        return self._made[name]


class DeclaredSchemes:
    """The schemes that documents of the catalogue name for links to SOURCE; see `declared.links`."""

    def __init__(self, source_url: str | None) -> None:
        self._url = source_url
        self._links: DeclaredByLinks | None = None

    def learn(self, document: Document) -> None:
        """Note what a document says, if SOURCE has an origin."""
        if self._url is not None:
            from .declared.links import DeclaredByLinks

            self._links = self._links or DeclaredByLinks(origin(self._url))
            self._links.learn(document)

    def schemes(self) -> Sequence[str]:
        """In the form of `Request.auth`."""
        return () if self._links is None else self._links.schemes()

    def place(self, credential: Credential, request: Request) -> Credential:
        """An API key as the catalogue says that it is sent, if it says so."""
        if credential.kind != "query" or not (schemes := (*request.auth, *self.schemes())):
            return credential
        from .declared.api_key import placed

        return placed(credential, schemes)


Schemes = _ForOrigins
NO_SCHEMES: Schemes = _NoSchemes()


def maker(name: str) -> MakeSigner:
    """What makes the signer of a scheme. Raises `UsageError` for an unknown name."""
    if (known := BUILT_IN.get(name)) is not None:
        module = import_module(f".signers.{known.module}", __package__)
        make: MakeSigner = getattr(module, known.function)
        return make
    from importlib.metadata import entry_points

    found = entry_points(group=ENTRY_POINTS)
    if name not in found.names:
        names = ", ".join([NONE, *BUILT_IN, *sorted(found.names)])
        raise UsageError(f"there is no scheme {redacted(name)!r} for --auth; there are {names}")
    try:
        loaded: MakeSigner = found[name].load()
    except Exception as error:
        raise UsageError(f"the scheme {name} cannot be loaded: {type(error).__name__}: {error}") from error
    return loaded


def installed_schemes() -> frozenset[str]:
    """The names of the entry points. None of them is imported."""
    from importlib.metadata import entry_points

    return frozenset(entry_points(group=ENTRY_POINTS).names)


def assignments(given: Iterable[str]) -> list[tuple[Origin, str]]:
    """The origins and schemes of `--auth`. Raises `UsageError`."""
    return [parse_assignment(one) for one in given]


def parse_assignment(text: str) -> tuple[Origin, str]:
    """The origin and the scheme of HOST=SCHEME; HOST is a host, host:port or an origin.

    Raises `UsageError`.
    """
    host, _, name = text.rpartition("=")
    host, name = host.strip(), name.strip()
    is_origin = re.fullmatch(r"https?://[^/?#@]+/?", host, re.IGNORECASE)
    if not name or not (is_origin or re.fullmatch(r"[^/?#@=\s]+", host)):
        raise UsageError(f"--auth {redacted(text)}: write it as HOST=SCHEME, such as data.example.com=s3")
    try:
        return origin(parse(host if is_origin else f"https://{host}/")), name
    except TransferError as error:
        raise UsageError(f"--auth {redacted(text)}: {error.message}") from None
