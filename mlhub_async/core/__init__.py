"""Values, errors, protocols and helpers that all other folders use. Imports none of them.

What is here itself makes a start cheap: exports and patterns that wait for their first use. And the dates
of HTTP, which clients, stores and servers read.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, AnyStr, cast

if TYPE_CHECKING:
    from datetime import datetime


def lazy_exports(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package that imports its exports when they are used.

    `modules` has the names that each of its modules gives, with spaces between. The package imports the same
    names below `if TYPE_CHECKING`, for type checkers and for readers.
    """
    module_of = {name: module for module, names in modules.items() for name in names.split()}

    def get(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f"{package}.{module_of[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return get


def http_date(text: str) -> datetime | None:
    """The time of an HTTP date (RFC 9110 section 5.6.7), also of its obsolete forms; None for other text.

    One without a zone is UTC.
    """
    from datetime import UTC
    from email.utils import parsedate_to_datetime

    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


MAX_DIGITS = 18
"""So many decimal digits always fit into a signed number of 64 bits."""


def decimal_number(text: str) -> int | None:
    """The number of bytes, or of anything, that a server writes in ASCII digits; None for other text."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS else None


def pattern_on_use(pattern: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """The same as `re.compile`, for use by its methods; it is compiled when the first of them is called.

    A program has over a hundred patterns, and most runs need few.
    """
    waiting = _PatternOnUse()
    waiting.compiled = partial(re.compile, pattern, flags)
    return cast("re.Pattern[AnyStr]", waiting)


class _PatternOnUse:
    compiled: Callable[[], Any]

    def __getattr__(self, name: str) -> Any:
        """A method of the pattern, which is found here from then on."""
        method = getattr(self.compiled(), name)
        setattr(self, name, method)
        return method
