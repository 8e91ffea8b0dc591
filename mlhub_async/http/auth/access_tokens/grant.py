"""A grant of OAuth 2.0: what the client shows to a token endpoint, read from variables."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ....core.errors import UsageError
from ....core.secret import Secret, one_line

CLIENT_CREDENTIALS, PASSWORD, REFRESH_TOKEN = "client_credentials", "password", "refresh_token"
"""The values of `grant_type` (RFC 6749 sections 4.4, 4.3 and 6)."""
NO_SECRET = Secret("")
Fields = dict[str, str]


class Grant(NamedTuple):
    """`kind` is a value of `grant_type`; `variables` are the names of those that it was read from."""

    kind: str
    variables: tuple[str, ...]
    client_id: str = ""
    client_secret: Secret = NO_SECRET
    username: str = ""
    password: Secret = NO_SECRET
    totp: Secret = NO_SECRET
    refresh_token: Secret = NO_SECRET
    scope: str = ""

    @property
    def secrets(self) -> list[Secret]:
        given = (self.client_secret, self.password, self.totp, self.refresh_token)
        return [one for one in given if one]

    @property
    def holder(self) -> str:
        """A digest that tells whose tokens these are, and which. Of the secrets only a long one is in it."""
        parts = (self.kind, self.client_id, self.username, self.scope, self.refresh_token.reveal())
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def fields(self) -> Fields:
        """The form of the first request, without what identifies the client. With secrets."""
        found = {"grant_type": self.kind}
        if self.kind == PASSWORD:
            found |= {"username": self.username, "password": self.password.reveal()}
            found |= {"totp": self.totp.reveal()} if self.totp else {}
        if self.kind == REFRESH_TOKEN:
            found["refresh_token"] = self.refresh_token.reveal()
        return {**found, "scope": self.scope} if self.scope else found


def read_grant(environ: Mapping[str, str], prefix: str, client_id: str = "") -> Grant | None:
    """The grant that the variables PREFIX_USERNAME, PREFIX_CLIENT_ID, ... give; None without any of them.

    `client_id` is that of the service, where none is given. A user's login comes before a refresh token, and
    that before the credentials of the client alone. Raises `UsageError` where one of two is missing.
    """
    names = [f"{prefix}_{word}" for word in _WORDS]
    given = {name: one_line(environ[name], name) for name in names if environ.get(name)}
    if not given:
        return None

    def value(word: str) -> str:
        return given.get(f"{prefix}_{word}", "")

    kind = _kind(prefix, given)
    client_id = value("CLIENT_ID") or client_id
    if not client_id:
        raise UsageError(f"{next(iter(given))} is set, but not {prefix}_CLIENT_ID")
    return Grant(
        kind,
        tuple(given),
        client_id,
        Secret(value("CLIENT_SECRET")),
        value("USERNAME"),
        Secret(value("PASSWORD")),
        Secret(value("TOTP")),
        Secret(value("REFRESH_TOKEN")),
        value("SCOPE"),
    )


_WORDS = ("USERNAME", "PASSWORD", "TOTP", "REFRESH_TOKEN", "CLIENT_ID", "CLIENT_SECRET", "SCOPE")


def _kind(prefix: str, given: Mapping[str, str]) -> str:
    for kind, words in (
        (PASSWORD, ("USERNAME", "PASSWORD")),
        (REFRESH_TOKEN, ("REFRESH_TOKEN",)),
        (CLIENT_CREDENTIALS, ("CLIENT_ID", "CLIENT_SECRET")),
    ):
        missing = list(_missing(prefix, words, given))
        if not missing:
            return kind
        if len(missing) < len(words):
            present = next(f"{prefix}_{word}" for word in words if f"{prefix}_{word}" in given)
            raise UsageError(f"{present} is set, but not {missing[0]}")
    raise UsageError(
        f"{next(iter(given))} is set, but neither {prefix}_USERNAME and {prefix}_PASSWORD, nor "
        f"{prefix}_REFRESH_TOKEN, nor {prefix}_CLIENT_ID and {prefix}_CLIENT_SECRET"
    )


def _missing(prefix: str, words: tuple[str, ...], given: Mapping[str, str]) -> Iterator[str]:
    return (name for word in words if (name := f"{prefix}_{word}") not in given)
