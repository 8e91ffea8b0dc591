"""Reads credentials from the netrc file, and decides which origins may see them."""

from __future__ import annotations

import netrc
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from ...core import urls
from ...core.errors import TransferError, UsageError
from ...core.secret import open_to_others
from .credentials import Credential, basic
from .profiles import under_home


def netrc_path(environ: Mapping[str, str]) -> Path:
    """The file that the variable NETRC names, else ~/.netrc, as for curl and requests."""
    return under_home(environ.get("NETRC") or "~/.netrc", "NETRC")


def netrc_credentials(path: Path, named: Collection[str]) -> list[Credential]:
    """Every entry as Basic credentials for its own host. The entry `default` is not used.

    A netrc file has hosts without ports. An entry is used for https on port 443, and for the URLs `named` by
    the user (SOURCE, --allow-origin) with the same host. Raises `UsageError` for a file that cannot be read,
    is invalid, or that other users may read.
    """
    named_origins = [urls.origin(one) for one in named if not one.startswith("file:")]
    found = []
    for machine, login, password in _entries(path):
        home = _origin(machine)
        if home is not None:
            origins = frozenset({home, *(one for one in named_origins if one.host == home.host)})
            found.append(Credential("header", "Authorization", basic(login, password), origins))
    return found


def _origin(machine: str) -> urls.Origin | None:
    try:
        return urls.origin(urls.parse(f"https://{machine}/"))
    except TransferError:
        return None


def _entries(path: Path) -> Iterator[tuple[str, str, str]]:
    _check_permissions(path)
    try:
        hosts = netrc.netrc(path).hosts
    except (netrc.NetrcParseError, UnicodeDecodeError):
        # Not the message of the error: it quotes the invalid token, which may be the password.
        raise UsageError(f"{path} is not a netrc file: expected machine, login and password") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    for machine, (login, account, password) in hosts.items():
        if machine != "default" and password:
            yield machine, login or account or "", password


def _check_permissions(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise UsageError(f"--netrc: {path} cannot be read: {error.strerror}") from None
    if open_to_others(mode):
        raise UsageError(f"{path} can be read or changed by other users: chmod 600 it, then run again")
