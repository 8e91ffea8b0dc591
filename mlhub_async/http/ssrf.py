"""Prevents server-side request forgery (SSRF): which addresses the URLs of a catalogue may lead to."""

from __future__ import annotations

import contextlib
import ipaddress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from ..core.errors import TransferError
from ..core.urls import Origin, origin

MAX_CACHED_ORIGINS = 1000
"""Origins whose literal address was checked; the cache is cleared when it is full."""


class AddressPolicy:
    """Allows connections to public addresses, and to addresses of the same class as the user's own URLs have.

    `name` registers a URL of the user: its origin may have any class of address, which is then allowed for
    all. `allow_private` allows every address, `local_root` loopback ones. The addresses that are checked are
    those that are connected to, so that DNS rebinding does not circumvent the check.
    """

    def __init__(self, *, allow_private: bool = False, local_root: bool = False) -> None:
        self._allow_all = allow_private
        self._classes = {"public", "loopback"} if local_root else {"public"}
        self._named: set[tuple[str, int]] = set()
        self._class_of_named: dict[tuple[str, int], str] = {}
        self._checked: set[Origin] = set()

    def name(self, url: str) -> None:
        """Register a URL that the user has given."""
        self._named.add(origin(url)[1:])

    def check(self, host: str, port: int, address: str) -> None:
        """Raises `TransferError` (kind "private-address") if connections to `address` are not allowed."""
        kind = address_class(address)
        if (host.lower(), port) in self._named and self._class_of_named.setdefault(
            (host.lower(), port), kind
        ) == kind:
            self._classes.add(kind)
        if not self._allow_all and kind not in self._classes:
            raise TransferError(
                f"{host} is at {address}, a {kind} address, which this catalogue may not refer to "
                "(--allow-private permits it)",
                kind="private-address",
            )

    def check_literal(self, target: Origin) -> None:
        """The same before name resolution, for a host that is a literal address or below .localhost."""
        if target in self._checked:
            return
        local = f".{target.host}".rstrip(".").endswith(".localhost")
        with contextlib.suppress(ValueError):
            address = str(ipaddress.ip_address("127.0.0.1" if local else target.host.strip("[]")))
            self.check(target.host, target.port, address)
        if len(self._checked) >= MAX_CACHED_ORIGINS:
            self._checked.clear()
        self._checked.add(target)


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


_EMBEDDED_IPV4 = [
    (IPv6Network("::ffff:0:0/96"), 0),
    (IPv6Network("::ffff:0:0:0/96"), 0),
    (IPv6Network("64:ff9b::/96"), 0),
    (IPv6Network("::/96"), 0),
    (IPv6Network("2002::/16"), 80),
]


def address_class(address: str) -> str:
    """public, loopback, private, link-local, shared, multicast, unspecified or reserved.

    An IPv6 address that embeds an IPv4 one (mapped, NAT64, 6to4) has the class of that. A text that is no
    address is "reserved".
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
    embedded = next((int(ip) >> shift for net, shift in _EMBEDDED_IPV4 if ip in net), None)
    return _other(ip) if embedded is None else _class4(IPv4Address(embedded & 0xFFFFFFFF))


def _other(ip: IPv4Address | IPv6Address) -> str:
    return "public" if ip.is_global and not ip.is_reserved else "reserved"
