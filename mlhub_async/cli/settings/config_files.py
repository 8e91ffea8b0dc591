"""Reads the configuration files: the user's config.toml, and mlhub.toml of the current directory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...core.errors import UsageError
from . import LOCAL_NAME, user_file

CHOSEN = "MLHUB_CONFIG"
"""The variable that names one file to read in place of both."""
MAX_BYTES = 1 << 20

_TRUSTED_ONLY = frozenset(
    [
        *("allow-origin", "allow-private", "auth", "ca-file", "endpoint-url", "netrc", "proxy"),
        *("reference", "request-payer", "scheduler", "token-file"),
    ]
)
"""Options that decide who sees keys, whose files are taken, or (a scheduler) whose programs run: the
directory may be somebody else's, so its file cannot set them."""


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """One file: its name for messages, and its content as TOML tables."""

    name: str
    content: Mapping[str, Any]
    local: bool
    """found in the current directory"""

    def refuses(self, option: str) -> bool:
        return self.local and option in _TRUSTED_ONLY


def refuse_what_is_read_once(environ: Mapping[str, str]) -> None:
    """Raise `UsageError` for a pipe (`MLHUB_CONFIG=<(...)`) or a device: read again it is empty, or has no
    end."""
    chosen = environ.get(CHOSEN)
    for path in _usual(environ) if chosen is None else (chosen,):
        if path and os.path.exists(path) and not os.path.isfile(path):
            raise UsageError(f"{path} is no regular file: it cannot be read again")


def _usual(environ: Mapping[str, str]) -> tuple[str, str]:
    """The files of the user and of the directory, where none is chosen. The one that wins is last."""
    return user_file(environ), LOCAL_NAME


def read_config_files(environ: Mapping[str, str]) -> list[ConfigFile]:
    """The files that exist, the one that wins last. Raises `UsageError` if one cannot be used."""
    chosen = environ.get(CHOSEN)
    if chosen is not None:
        return [_read(chosen, local=False, missing_ok=False)] if chosen else []
    found = [_read(path, local=path == LOCAL_NAME) for path in _usual(environ)]
    return [one for one in found if one.content]


def _read(path: str, *, local: bool, missing_ok: bool = True) -> ConfigFile:
    shown = f"./{path}" if local else path
    try:
        with open(path, "rb") as file:
            text = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        if missing_ok:
            return ConfigFile(shown, {}, local)
        raise UsageError(f"{shown} is missing: {CHOSEN} names it") from None
    except OSError as failure:
        raise UsageError(f"{shown} cannot be read: {failure.strerror}") from None
    if len(text) > MAX_BYTES:
        raise UsageError(f"{shown} has more than {MAX_BYTES} bytes: is it a configuration file?")
    return ConfigFile(shown, _parsed(shown, text), local)


def _parsed(shown: str, text: bytes) -> Mapping[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text.decode("utf-8-sig"))
    except UnicodeDecodeError as wrong:
        raise UsageError(f"{shown} is no UTF-8 text: byte {wrong.start}") from None
    except RecursionError:
        raise UsageError(f"{shown} is nested too deeply") from None
    except ValueError as wrong:  # also a number of more digits than Python reads
        raise UsageError(f"{shown} is no TOML: {wrong}") from None
