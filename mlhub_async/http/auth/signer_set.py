"""The signers of a run: signs each request by those of its origin, and removes secrets from all others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ...core.errors import TransferError
from ...core.model import Request
from ...core.secret import Secret
from ...core.urls import Origin, redacted, without_parameter_values
from .schemes import NO_SCHEMES, Schemes

if TYPE_CHECKING:
    from ...core.ports import Refused, Signer

MIN_SECRET_CHARACTERS = 8
"""Shorter values are not removed from queries: they may be page numbers."""
MAX_ORIGINS = 10_000
"""Origins whose signers are remembered; all are forgotten when there are more."""


class SignerSet:
    """Signers, applied in order: a field or parameter of a later one replaces that of an earlier one.

    Those of `schemes` come after the signers `before` and before the others.
    """

    def __init__(
        self, signers: Iterable[Signer] = (), *, before: Iterable[Signer] = (), schemes: Schemes = NO_SCHEMES
    ) -> None:
        self._before, self._after = tuple(before), tuple(signers)
        self._schemes = schemes
        self._by_origin: dict[Origin, tuple[Signer, ...]] = {}
        self._secrets: set[Secret] = set()
        """of this run, those that were replaced included"""
        for signer in (*self._before, *self._after):
            self._secrets.update(signer.secrets)

    def _signers_of(self, origin: Origin) -> tuple[Signer, ...]:
        known = self._by_origin.get(origin)
        if known is None:
            found = [one for one in self._before if origin in one.origins]
            found += self._schemes.signers_for(origin)
            found += [one for one in self._after if origin in one.origins]
            for signer in found:
                self._secrets.update(signer.secrets)
            if len(self._by_origin) >= MAX_ORIGINS:
                self._by_origin.clear()
            known = self._by_origin[origin] = tuple(found)
        return known

    def after_redirect(self) -> SignerSet:
        """The signers for hops after a redirect to another origin."""
        return SignerSet(schemes=self._schemes.after_redirect())

    def signs(self, origin: Origin) -> bool:
        """Whether there may be credentials for this origin."""
        return bool(self._signers_of(origin))

    def note_refusal(self, error: TransferError, origin: Origin) -> None:
        """Set whether there may be credentials for the origin that refused a request.

        Where access was refused and there are none, the message says for which other hosts `--auth` is.
        """
        error.signed = self.signs(origin)
        others = self._schemes.given if error.denied and not error.signed else ()
        if others and origin not in others:
            error.message += f"; --auth is for {', '.join(map(str, others))}, not for {origin}"
            error.args = (error.message,)

    def sign(self, request: Request, origin: Origin) -> Request | None:
        """The request as it may be sent to its `origin`, or None if there is no valid credential at present.

        It is the same object where nothing is to be added or removed.
        """
        if not (signers := self._signers_of(origin)):
            return self.clean(request)
        signed: Request | None = self._without_others(request, signers)
        for signer in signers:
            if signed is not None:
                signed = signer.sign(signed)
        return signed

    async def sign_renewed(
        self, request: Request, origin: Origin, refused: Refused | None = None
    ) -> Request | None:
        """The request with other credentials than those refused; None if there are none, as the error of the
        refusal says then.

        Raises `TransferError` if there are no valid ones at all, and what a renewal raises.
        """
        renewed = [await signer.renew(request, refused) for signer in self._signers_of(origin)]
        for signer in self._signers_of(origin):
            self._secrets.update(signer.secrets)
        self._by_origin.clear()
        if refused is not None and not any(renewed):
            self._name_places(refused.error, origin)
            return None
        if (signed := self.sign(request, origin)) is None:
            raise TransferError(f"{redacted(request.url)}: no valid credentials", kind="unauthorized")
        return None if refused is not None and signed == refused.sent else signed

    def _name_places(self, error: TransferError, origin: Origin) -> None:
        """Say in the message of a 401 which credentials are refused, by where they come from."""
        seen = [one for signer in self._signers_of(origin) for one in [*signer.keys()]]
        places = [one.place for one in seen if one.place]
        if error.unauthorized and places:
            error.message += f"; what it refuses is that of {', '.join(places)}"
            error.args = (error.message,)

    def _without_others(self, request: Request, signers: tuple[Signer, ...]) -> Request:
        """The request without secrets of other signers in its query."""
        if not self._secrets or "?" not in request.url:
            return request
        own = {secret for signer in signers for secret in signer.secrets}
        url = without_parameter_values(
            request.url, lambda value: self._is_secret(value) and Secret(value) not in own
        )
        return request if url == request.url else request._replace(url=url)

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
