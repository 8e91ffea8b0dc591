"""Hides the registries of special addresses: where a connection to an IP address would lead."""

from __future__ import annotations

import ipaddress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

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
