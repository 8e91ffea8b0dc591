"""The file in which tokens are kept between runs, where the user asks for one: only its owner may read it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from ....core.errors import UsageError
from ....core.json_text import encode_json, parse_json
from ....core.options.output_file import PRIVATE, output_file
from ....core.secret import Secret, open_to_others
from ..tokens import RENEWED_BEFORE_SECONDS, Token

MAX_BYTES = 1 << 20


class TokenFile:
    """Tokens by what they were got with (`owner`) and what each is for (`key`), as JSON.

    Only tokens whose end is known are kept, and no refresh token or login. Of two runs that write at the same
    time one may lose the other's tokens, which are then asked for again.
    """

    def __init__(self, path: str, owner: str, clock: Callable[[], float]) -> None:
        """`path` "": no token is kept."""
        self._path = path
        self._owner = owner
        self._clock = clock

    def load(self) -> Iterable[tuple[str, Token]]:
        """The tokens that have not ended. Raises `UsageError` where the file cannot be used."""
        for row in self._rows() if self._path else ():
            if row["owner"] == self._owner:
                yield row["key"], Token(Secret(row["token"]), row["until"])

    def keep(self, key: str, token: Token) -> None:
        """Add a token, or replace that of this owner and key. Raises `UsageError`."""
        if not self._path or token.until is None:
            return
        mine = (self._owner, key)
        others = [row for row in self._rows() if (row["owner"], row["key"]) != mine]
        new = {"owner": self._owner, "key": key, "token": token.secret.reveal(), "until": token.until}
        try:
            with output_file(self._path, PRIVATE) as file:
                file.write(encode_json({"tokens": [*others, new]}))
        except OSError as error:
            raise UsageError(f"--token-file {self._path}: {error.strerror or error}") from None

    def _rows(self) -> list[dict[str, Any]]:
        try:
            with open(self._path, "rb") as file:
                if open_to_others(os.fstat(file.fileno()).st_mode):
                    raise UsageError(f"--token-file {self._path}: others may read it; chmod 600 it")
                body = file.read(MAX_BYTES)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise UsageError(f"--token-file {self._path}: {error.strerror or error}") from None
        try:
            rows = parse_json(body)["tokens"] if body else []
            return [_checked(row) for row in rows if row["until"] - RENEWED_BEFORE_SECONDS > self._clock()]
        except (KeyError, TypeError, ValueError):
            raise UsageError(
                f"--token-file {self._path}: not written by this program; name another file, or remove it"
            ) from None


def _checked(row: dict[str, Any]) -> dict[str, Any]:
    """Raises `ValueError` for a row with other than texts."""
    if not all(isinstance(row[name], str) for name in ("owner", "key", "token")):
        raise ValueError("no text")
    if not row["token"].isascii() or not row["token"].isprintable():
        raise ValueError("no token")
    return row
