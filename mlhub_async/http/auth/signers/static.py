"""The signer for constant credentials: header fields and query parameters."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable

from ....core.errors import UsageError
from ....core.model import Request
from ....core.secret import Secret
from ....core.urls import Origin, origin, with_parameter
from ..credentials import BEARER, Credential


class StaticSigner:
    """Adds to a request the credentials of its origin. See `ports.Signer`.

    `load` returns the credentials. It is called at once, and once more for every origin that refuses them, as
    a profile or netrc file may have been changed meanwhile.
    """

    def __init__(self, load: Callable[[], Iterable[Credential]]) -> None:
        self._load = load
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
            request = _with_credential(request, credential)
        return request

    async def renew(self, origin: Origin) -> None:
        if origin in self._renewed:
            return
        self._renewed.add(origin)
        with contextlib.suppress(UsageError):  # the file is gone or broken: the old credentials stay
            self._by_origin = _by_origin(self._load())


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
