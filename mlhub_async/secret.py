"""Hides keys, tokens and passwords from everything that prints, logs, formats or pickles its values."""

from __future__ import annotations

from typing import NoReturn


class Secret:
    """A string that does not print, log, format or pickle. Only `reveal()` tells it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    @classmethod
    def of(cls, given: str | Secret) -> Secret:
        """A secret as it is, or text made one."""
        return given if isinstance(given, Secret) else cls(given)

    def reveal(self) -> str:
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
        raise TypeError("a secret is not written down: it cannot be pickled or copied")
