"""Where secrets come from and which origin may see them; nobody else reads a key or a profile file."""

from __future__ import annotations

import base64
import configparser
import contextlib
import os
import re
import stat
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote
from uuid import uuid4

from . import urls
from .errors import TransferError, UsageError
from .model import Request
from .secret import Secret

ANONYMOUS = "__anonymous__"
SHORTEST = 8
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
_OURS = frozenset(
    {"accept-encoding", "connection", "content-length", "expect", "host", "if-range", "keep-alive"}
    | {"proxy-authorization", "proxy-connection", "range", "te", "trailer", "transfer-encoding", "upgrade"}
)
"""Fields that say how a message is framed or what part of it is meant: set by the program alone."""


@dataclass(frozen=True, slots=True)
class Credential:
    """One header field or query parameter, and the origins that may see it."""

    kind: Literal["header", "query"]
    name: str
    value: Secret
    origins: frozenset[urls.Origin]


class Credentials:
    """Every credential of a run. `sign` adds to a request those that belong to its origin, and no other."""

    def __init__(
        self,
        credentials: Iterable[Credential] = (),
        again: Callable[[], Iterable[Credential]] | None = None,
    ) -> None:
        """`again` reads them anew where they came from: a profile may have got another key meanwhile."""
        self._of: dict[urls.Origin, tuple[Credential, ...]] = {}
        self._ours: set[Secret] = set()
        self._again = again
        self._renewed: set[urls.Origin] = set()
        self._take(credentials)

    def _take(self, credentials: Iterable[Credential]) -> None:
        self._of = {}
        for credential in credentials:
            bare = Secret(credential.value.reveal().removeprefix("Bearer "))
            self._ours |= {credential.value, bare}
            for origin in credential.origins:
                self._of[origin] = (*self._of.get(origin, ()), credential)

    @property
    def secrets(self) -> frozenset[Secret]:
        return frozenset(c.value for known in self._of.values() for c in known)

    def sign(self, request: Request) -> Request:
        """The request as it may go out: the same object where nothing belongs to its origin."""
        known = self._of and self._of.get(urls.origin(request.url))
        if not known:
            return self.cleaned(request)
        for credential in known:
            request = _applied(credential, request)
        return request

    def sign_anew(self, request: Request) -> Request:
        """The request after a 401: with the credentials that are there now, looked at once per origin."""
        place = urls.origin(request.url)
        if place in self._of and place not in self._renewed and self._again is not None:
            self._renewed.add(place)
            with contextlib.suppress(UsageError):  # the profile is gone: what we have is what there is
                self._take(list(self._again()))
        return self.sign(request)

    def open(self, place: urls.Origin) -> bool:
        """Whether there is anything that should let us in there."""
        return place in self._of

    def cleaned(self, request: Request) -> Request:
        """The request without our secrets in its query: servers echo them into the hrefs they write."""
        if not self._ours or "?" not in request.url:
            return request
        url = urls.without_values(request.url, self._is_ours)
        return request if url == request.url else request._replace(url=url)

    def _is_ours(self, text: str) -> bool:
        """What is shorter is no secret that anybody gave out, but may well be a page number."""
        return len(text) >= SHORTEST and Secret(text) in self._ours


def _applied(credential: Credential, request: Request) -> Request:
    name, value = credential.name, credential.value.reveal()
    if credential.kind == "query":
        return request._replace(url=urls.with_query(request.url, name, value))
    headers = {k: v for k, v in request.headers.items() if k.lower() != name.lower()}
    return request._replace(headers={**headers, name: value})


def mlhub_credential(
    root_url: str,
    *,
    api_key: str | Secret | None = None,
    api_token: str | Secret | None = None,
    profile: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Credential | None:
    """The credential for the API at `root_url`, bound to its origin, or None: nobody gave one.

    The first that is set wins: `api_key`, `api_token`, MLHUB_API_KEY, `profile`, MLHUB_PROFILE, the
    profile [default], MLHUB_ACCESS_TOKEN. A profile that was named must exist.
    """
    environ = os.environ if environ is None else environ
    origins = _origins(root_url)
    if token := None if api_key else api_token:
        return _bearer(token, origins)
    named = profile or environ.get("MLHUB_PROFILE")
    key = api_key or environ.get("MLHUB_API_KEY")
    if not key and named == ANONYMOUS:
        return None
    if key := key or profile_key(profiles_path(environ), named):
        return Credential("query", "key", Secret(_line(key, "the API key")), origins)
    token = environ.get("MLHUB_ACCESS_TOKEN")
    return _bearer(token, origins) if token else None


def _bearer(token: str | Secret, origins: frozenset[urls.Origin]) -> Credential:
    secret = Secret(f"Bearer {_line(token, 'the access token')}")
    return Credential("header", "Authorization", secret, origins)


def _line(value: str | Secret, what: str) -> str:
    text = Secret.of(value).reveal().strip()
    if _CONTROL.search(text):
        raise UsageError(f"{what} contains a line break or control character: copy it again")
    return text


def header_credentials(pairs: Iterable[tuple[str, str | Secret]], source_url: str) -> list[Credential]:
    """The headers the user gave, bound to the origin of SOURCE."""
    found = []
    for name, value in pairs:
        check_header_name(name)
        secret = Secret(_line(value, f"header {name}"))
        found.append(Credential("header", name, secret, _origins(source_url)))
    return found


def basic(login: str, password: str) -> Secret:
    """The value of an Authorization field that says this."""
    return Secret("Basic " + base64.b64encode(f"{login}:{password}".encode()).decode())


@dataclass(frozen=True, slots=True)
class Proxy:
    """Where all requests go through. `authorization` is told to the proxy, and to nobody behind it."""

    url: str
    authorization: Secret | None = None


def proxy_of(given: str | Secret) -> Proxy:
    """The proxy that --proxy names: http://host:port, or http://user:password@host:port."""
    text = Secret.of(given).reveal().strip()
    scheme, _, rest = text.partition("://")
    user, at, place = rest.rpartition("@")
    login, colon, password = user.partition(":")
    try:
        where = urls.parse(f"{scheme}://{place}" if place else text)
        shown = str(urls.origin(where))
    except TransferError:
        where = shown = ""
    if not shown.startswith("http://") or where.rstrip("/") != shown or (at and not colon):
        raise UsageError("--proxy must be like http://host:port or http://user:password@host:port")
    return Proxy(where, basic(unquote(login), unquote(password)) if at else None)


def _origins(url: str) -> frozenset[urls.Origin]:
    try:
        return frozenset({urls.origin(urls.parse(url))})
    except TransferError as error:
        raise UsageError(f"credentials need an http(s) URL to belong to: {error.message}") from None


def check_header_name(name: str) -> None:
    """Raises UsageError for what is no field name, or is a field that the program itself must set."""
    if not _TOKEN.fullmatch(name):
        raise UsageError(f"{name!r} is no header name: write it as 'Name: value'")
    if name.lower() in _OURS:
        raise UsageError(f"header {name} is set by the program itself: drop it")


def profiles_path(environ: Mapping[str, str] | None = None) -> Path:
    """Where the official client keeps its profiles: `profiles` in MLHUB_HOME, by default ~/.mlhub."""
    environ = os.environ if environ is None else environ
    return Path(environ.get("MLHUB_HOME") or "~/.mlhub").expanduser() / "profiles"


def profile_key(path: Path, profile: str | None) -> str | None:
    """The key of a profile; of [default], which need not exist, when none is named."""
    found = _read(path)
    key = found.get(profile or "default", "api_key", fallback="").strip()
    if profile and not key:
        raise UsageError(
            f"{path} has no api_key in section [{profile}]: run 'mlhub-async configure --profile {profile}'"
        )
    return key or None


def has_profile(path: Path, profile: str) -> bool:
    return bool(_read(path).get(profile, "api_key", fallback=""))


def _read(path: Path) -> configparser.ConfigParser:
    found = configparser.ConfigParser(interpolation=None)
    try:
        with path.open(encoding="utf-8") as file:
            _warn_if_open_to_others(path, os.fstat(file.fileno()).st_mode)
            found.read_file(file)
    except FileNotFoundError:
        pass
    except (configparser.Error, UnicodeDecodeError):
        # Their messages quote the line, and the line may be the key.
        raise UsageError(
            f"{path} is not a profiles file: expected [section] lines and api_key = ..."
        ) from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    return found


def _warn_if_open_to_others(path: Path, mode: int) -> None:
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        warnings.warn(f"{path} can be read by other users: chmod 600 it", stacklevel=5)


def write_profile(path: Path, profile: str, api_key: str | Secret) -> None:
    """Set one profile's key. The other profiles stay; the file is never half written nor open to others."""
    if profile in (ANONYMOUS, configparser.DEFAULTSECT) or not re.fullmatch(
        r"[^\[\]\x00-\x1f\x7f]+", profile
    ):
        raise UsageError(f"{profile!r} cannot be the name of a profile")
    key = _line(api_key, "the API key")
    if not key:
        raise UsageError("the API key is empty")
    path = path.resolve()  # the file may be a link into a collection of dot-files: keep the link
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is written now is closed to others
        profiles = _read(path)
    profiles.read_dict({profile: {"api_key": key}})
    try:
        _replace(path, profiles)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None


def _replace(path: Path, profiles: configparser.ConfigParser) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".profiles.{uuid4().hex}")
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            profiles.write(file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
