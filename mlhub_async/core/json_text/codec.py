"""The strict codec: orjson where it is installed, else the standard library with the same results.

orjson is a compiled package without wheels for some interpreters, free-threaded ones among them.
"""

from __future__ import annotations

from collections.abc import Callable
from json import JSONDecodeError
from typing import Any

__all__ = ["JSONDecodeError", "dumps", "loads"]

try:
    import orjson
except ImportError:
    from .standard import dumps, loads
else:

    def loads(text: bytes | str) -> Any:
        """The value of a JSON text in UTF-8, without a byte order mark.

        An integer over 64 bits becomes a float, and of two members of one name the last counts. Raises
        `JSONDecodeError` for all that is no JSON, for half a character (a lone surrogate), a number that
        no float holds, and more than 1024 levels.
        """
        return orjson.loads(text)

    def dumps(
        value: object,
        *,
        indent: bool = False,
        sort_keys: bool = False,
        default: Callable[[Any], object] | None = None,
    ) -> bytes:
        """The JSON text of a value in UTF-8: compact, or with two spaces per level. NaN becomes null.

        `default` gives what is written in place of a value of a type that JSON does not have. Raises
        `TypeError` for such a value without it, for half a character, an integer over 64 bits, a name that
        is no text, and more than 254 levels.
        """
        option = (orjson.OPT_INDENT_2 if indent else 0) | (orjson.OPT_SORT_KEYS if sort_keys else 0)
        return orjson.dumps(value, default, option)
