"""Where a document may send us: the guard against requests to the user's own network (SSRF)."""

from __future__ import annotations

import contextlib
import ipaddress

from ..errors import TransferError
from ..urls import Origin, address_class, origin

MANY = 1000
"""Origins that need no second look; where there are more, they are looked at anew."""


class Reach:
    """Which addresses a document may send us to: public ones, and the kind that the user's own root has.

    `named` origins were given by the user and may be anywhere. Checked on the addresses that are really
    connected to, so a name that changes its answer gains nothing.
    """

    def __init__(self, *, allow_private: bool = False, local_root: bool = False) -> None:
        self._everywhere = allow_private
        self._classes = {"public", "loopback"} if local_root else {"public"}
        self._named: set[tuple[str, int]] = set()
        self._of_named: dict[tuple[str, int], str] = {}
        self._passed: set[Origin] = set()

    def name(self, url: str) -> None:
        """The user named this URL: its origin is trusted with its kind of address."""
        self._named.add(origin(url)[1:])

    def check(self, host: str, port: int, address: str) -> None:
        """Raises `TransferError` (kind "private-address") if `address` is out of reach."""
        kind = address_class(address)
        if (host.lower(), port) in self._named and self._of_named.setdefault(
            (host.lower(), port), kind
        ) == kind:
            self._classes.add(kind)
        if not self._everywhere and kind not in self._classes:
            raise TransferError(
                f"{host} is at {address}, a {kind} address that this catalogue may not send us to "
                "(--allow-private permits it)",
                kind="private-address",
            )

    def check_literal(self, place: Origin) -> None:
        """The same for a host that is an address already, or needs no resolver to be known as one."""
        if place in self._passed:
            return
        local = f".{place.host}".rstrip(".").endswith(".localhost")
        with contextlib.suppress(ValueError):
            address = str(ipaddress.ip_address("127.0.0.1" if local else place.host.strip("[]")))
            self.check(place.host, place.port, address)
        if len(self._passed) >= MANY:
            self._passed.clear()
        self._passed.add(place)
