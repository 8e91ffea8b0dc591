"""`Secret`: a string that cannot be printed, logged, formatted or pickled by accident."""

from __future__ import annotations

import os
import stat
from typing import NoReturn

from . import pattern_on_use
from .errors import UsageError

_CONTROL = pattern_on_use("[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")


class Secret:
    """A key, token or password. It prints and formats as "***"; only `reveal()` gives the text."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    @classmethod
    def of(cls, given: str | Secret) -> Secret:
        """`given` as a secret, if it is none yet."""
        return given if isinstance(given, Secret) else cls(given)

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return format("***", spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret cannot be pickled or copied: it would be written down")


def one_line(value: str | Secret, what: str) -> str:
    """The text without surrounding space. Raises `UsageError` about `what` for control characters."""
    text = Secret.of(value).reveal().strip()
    if _CONTROL.search(text):
        raise UsageError(f"{what} contains a line break or control character: copy it again")
    return text


def open_to_others(mode: int) -> bool:
    """Whether other users may read or change a file of this mode (POSIX only)."""
    return os.name == "posix" and bool(mode & (stat.S_IRWXG | stat.S_IRWXO))
