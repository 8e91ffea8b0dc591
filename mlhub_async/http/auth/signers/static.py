"""The signer for constant credentials: header fields and query parameters."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence

from ....core.errors import UsageError
from ....core.model import Request
from ....core.ports import Refused, SeenKey
from ....core.secret import Secret
from ....core.urls import Origin, origin, with_parameter
from ..credentials import BEARER, Credential

Adapt = Callable[[Credential, Request], Credential]


def as_it_is(credential: Credential, _: Request) -> Credential:
    """The form that a credential has been given in."""
    return credential


class StaticSigner:
    """Adds to a request the credentials of its origin. See `ports.Signer`.

    `load` returns the credentials. It is called at once, and once more for every origin that refuses them, as
    a profile or netrc file may have been changed meanwhile.
    """

    def __init__(
        self, load: Callable[[], Iterable[Credential]], place: str = "", adapt: Adapt = as_it_is
    ) -> None:
        """`place`: where they come from, such as the name of a variable. `adapt` gives the form that one has
        for a request."""
        self._load = load
        self._place = place
        self._adapt = adapt
        self._renewed: set[Origin] = set()
        self._by_origin = _by_origin(load())

    @property
    def origins(self) -> frozenset[Origin]:
        return frozenset(self._by_origin)

    @property
    def secrets(self) -> frozenset[Secret]:
        values = {credential.value for known in self._by_origin.values() for credential in known}
        return frozenset(values | {Secret(value.reveal().removeprefix(BEARER)) for value in values})

    def sign(self, request: Request) -> Request:
        for credential in self._by_origin.get(origin(request.url), ()):
            request = _with_credential(request, self._adapt(credential, request))
        return request

    async def renew(self, request: Request, refused: Refused | None) -> bool:
        here = origin(request.url)
        if refused is not None and not refused.error.unauthorized:
            return False
        if here not in self._renewed:
            self._renewed.add(here)
            with contextlib.suppress(UsageError):  # the file is gone or broken: the old credentials stay
                self._by_origin = _by_origin(self._load())
        return refused is None or self.sign(request) != refused.sent

    def keys(self) -> Sequence[SeenKey]:
        hosts = ", ".join(sorted(map(str, self._by_origin)))
        return [SeenKey(self._place, hosts)] if hosts else []


def _by_origin(credentials: Iterable[Credential]) -> dict[Origin, list[Credential]]:
    found: dict[Origin, list[Credential]] = {}
    for credential in credentials:
        for one in credential.origins:
            found.setdefault(one, []).append(credential)
    return found


def _with_credential(request: Request, credential: Credential) -> Request:
    name, value = credential.name, credential.value.reveal()
    if credential.kind == "query":
        return request._replace(url=with_parameter(request.url, name, value))
    headers = {k: v for k, v in request.headers.items() if k.lower() != name.lower()}
    return request._replace(headers={**headers, name: value})
