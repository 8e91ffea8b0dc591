"""The signers of a run: signs each request by those of its origin, and removes secrets from all others."""

from __future__ import annotations

from collections.abc import Iterable

from ...core.errors import TransferError
from ...core.model import Request
from ...core.ports import Signer
from ...core.secret import Secret
from ...core.urls import Origin, redacted, without_parameter_values

MIN_SECRET_CHARACTERS = 8
"""Shorter values are not removed from queries: they may be page numbers."""


class SignerSet:
    """Signers, applied in order: a field or parameter of a later one replaces that of an earlier one."""

    def __init__(self, signers: Iterable[Signer] = ()) -> None:
        self._signers = tuple(signers)
        self._by_origin: dict[Origin, list[Signer]] = {}
        self._secrets: set[Secret] = set()
        """of this run, those that were replaced included"""
        self._index()

    def _index(self) -> None:
        self._by_origin.clear()
        for signer in self._signers:
            self._secrets.update(signer.secrets)
            for origin in signer.origins:
                self._by_origin.setdefault(origin, []).append(signer)

    def signs(self, origin: Origin) -> bool:
        """Whether there are credentials for this origin."""
        return origin in self._by_origin

    def sign(self, request: Request, origin: Origin) -> Request | None:
        """The request as it may be sent to its `origin`, or None if there is no valid credential at present.

        It is the same object where nothing is to be added or removed.
        """
        if not (signers := self._by_origin and self._by_origin.get(origin)):
            return self.clean(request)
        signed: Request | None = request
        for signer in signers:
            if signed is not None:
                signed = signer.sign(signed)
        return signed

    async def sign_renewed(self, request: Request, origin: Origin) -> Request:
        """The request with the newest credentials there are. Raises `TransferError` if none is valid."""
        for signer in self._by_origin.get(origin, ()):
            await signer.renew(origin)
        self._index()
        if (signed := self.sign(request, origin)) is None:
            raise TransferError(f"{redacted(request.url)}: no valid credentials", kind="unauthorized")
        return signed

    def clean(self, request: Request) -> Request:
        """The request without our secrets in its query: servers copy them into hrefs of responses."""
        if not self._secrets or "?" not in request.url:
            return request
        url = self.without_secrets(request.url)
        return request if url == request.url else request._replace(url=url)

    def without_secrets(self, url: str) -> str:
        """A URL, or any text, without our secrets in its query."""
        if not self._secrets or "?" not in url:
            return url
        return without_parameter_values(url, self._is_secret)

    def _is_secret(self, value: str) -> bool:
        return len(value) >= MIN_SECRET_CHARACTERS and Secret(value) in self._secrets
