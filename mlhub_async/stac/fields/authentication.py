"""Which authentication schemes a catalogue names for an address.

https://github.com/stac-extensions/authentication, version 1.1.0
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...core import pattern_on_use
from ...core.json_text import dumps
from ...core.model import JsonObject
from .locations import Location

SCHEMES = "auth:schemes"
_OF_PLANETARY_COMPUTER = '["planetary-computer",null]'
_ON_AZURE = pattern_on_use(r"https://[a-z0-9]{3,24}\.(?:blob|dfs)\.core\.windows\.net/", re.ASCII)
MAX_REFS = 8
"""Schemes of one address that count."""
MAX_SCHEME_CHARACTERS = 8192
"""Of a longer scheme only the type counts."""
MAX_SHOWN = 200

Described = dict[str, str]
"""Schemes by name, in the form of `Request.auth`, as far as they were asked for."""


def schemes_of(about: JsonObject, inherited: JsonObject | None = None) -> JsonObject:
    """The schemes that a collection, or an item by its properties, can refer to.

    `inherited`: those of the collection of an item. Those of its own come first.
    """
    own = about.get(SCHEMES)
    found = own if isinstance(own, dict) else {}
    return {**inherited, **found} if inherited else found


def described_schemes(
    locations: Sequence[Location], about: JsonObject, inherited: JsonObject | None, known: Described
) -> tuple[tuple[str, str], ...]:
    """The schemes that addresses of an asset refer to, as in `Asset.auth`.

    `about` has the schemes of its item or collection. `known` gets those that were referred to.
    """
    schemes = schemes_of(about, inherited)
    return tuple(
        [
            (location.href, _described(ref, schemes, known))
            for location in locations
            if isinstance(location.refs, list)
            for ref in location.refs[:MAX_REFS]
            if isinstance(ref, str)
        ]
    )


def scheme_of_place(href: str) -> tuple[tuple[str, str], ...]:
    """The scheme of an address of the Planetary Computer, as in `Asset.auth`: its items do not name it."""
    return ((href, _OF_PLANETARY_COMPUTER),) if _ON_AZURE.match(href) else ()


def _described(ref: str, schemes: JsonObject, known: Described) -> str:
    if ref not in known:
        scheme = schemes.get(ref)
        known[ref] = _text(ref, scheme if isinstance(scheme, dict) else None)
    return known[ref]


def _text(ref: str, scheme: JsonObject | None) -> str:
    try:
        text = dumps([ref, scheme]).decode()
    except TypeError:  # half a character, or another value that JSON does not have
        return _text(ref.encode("utf-8", "backslashreplace").decode(), None)
    if len(text) <= MAX_SCHEME_CHARACTERS:
        return text
    kind = None if scheme is None else {"type": str(scheme.get("type"))[:MAX_SHOWN]}
    return dumps([ref[:MAX_SHOWN], kind]).decode()
