"""Where a document may send us: the guard against requests to the user's own network (SSRF)."""

from __future__ import annotations

import contextlib
import ipaddress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from ..core.errors import TransferError
from ..core.urls import Origin, origin

MAX_PASSED_ORIGINS = 1000
"""Origins that need no second look; where there are more, they are looked at anew."""


class AddressPolicy:
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
        if len(self._passed) >= MAX_PASSED_ORIGINS:
            self._passed.clear()
        self._passed.add(place)


_IPV4 = [
    ("unspecified", IPv4Network("0.0.0.0/8")),
    ("loopback", IPv4Network("127.0.0.0/8")),
    ("link-local", IPv4Network("169.254.0.0/16")),
    ("private", IPv4Network("10.0.0.0/8")),
    ("private", IPv4Network("172.16.0.0/12")),
    ("private", IPv4Network("192.168.0.0/16")),
    ("shared", IPv4Network("100.64.0.0/10")),
    ("multicast", IPv4Network("224.0.0.0/4")),
]


_IPV6 = [
    ("unspecified", IPv6Network("::/128")),
    ("loopback", IPv6Network("::1/128")),
    ("link-local", IPv6Network("fe80::/10")),
    ("private", IPv6Network("fc00::/7")),
    ("private", IPv6Network("fec0::/10")),
    ("private", IPv6Network("64:ff9b:1::/48")),
    ("multicast", IPv6Network("ff00::/8")),
]


_CARRIERS = [
    (IPv6Network("::ffff:0:0/96"), 0),
    (IPv6Network("::ffff:0:0:0/96"), 0),
    (IPv6Network("64:ff9b::/96"), 0),
    (IPv6Network("::/96"), 0),
    (IPv6Network("2002::/16"), 80),
]


def address_class(address: str) -> str:
    """public, loopback, private, link-local, shared, multicast, unspecified or reserved.

    An IPv6 address that carries an IPv4 one (mapped, NAT64, 6to4) is what the IPv4 one is. What is no
    address at all is "reserved": nobody should connect there.
    """
    try:
        ip = ipaddress.ip_address(address.strip("[]"))
    except ValueError:
        return "reserved"
    return _class4(ip) if isinstance(ip, IPv4Address) else _class6(ip)


def _class4(ip: IPv4Address) -> str:
    return next((name for name, net in _IPV4 if ip in net), _other(ip))


def _class6(ip: IPv6Address) -> str:
    known = next((name for name, net in _IPV6 if ip in net), None)
    if known:
        return known
    carried = next((int(ip) >> shift for net, shift in _CARRIERS if ip in net), None)
    return _other(ip) if carried is None else _class4(IPv4Address(carried & 0xFFFFFFFF))


def _other(ip: IPv4Address | IPv6Address) -> str:
    return "public" if ip.is_global and not ip.is_reserved else "reserved"
