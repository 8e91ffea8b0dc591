"""Hides the netrc file: which origins its entries may be told to, and when it is not to be trusted at all."""

from __future__ import annotations

import netrc
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from ...core import urls
from ...core.errors import TransferError, UsageError
from ...core.secret import open_to_others
from .credentials import Credential, basic


def netrc_path(environ: Mapping[str, str]) -> Path:
    """The file that NETRC names, else ~/.netrc, as curl and requests have it."""
    return Path(environ.get("NETRC") or "~/.netrc").expanduser()


def netrc_credentials(path: Path, named: Collection[str]) -> list[Credential]:
    """Every entry as Basic authorization, each for its own host alone; the `default` entry for none.

    A netrc file knows hosts and no ports. An entry holds for https on the usual port, and for those of
    the origins `named` by the user (SOURCE, --allow-origin) that are on its very host.
    """
    chosen = [urls.origin(one) for one in named if not one.startswith("file:")]
    found = []
    for machine, login, password in _entries(path):
        home = _origin(machine)
        if home is not None:
            origins = frozenset({home, *(one for one in chosen if one.host == home.host)})
            found.append(Credential("header", "Authorization", basic(login, password), origins))
    return found


def _origin(machine: str) -> urls.Origin | None:
    try:
        return urls.origin(urls.parse(f"https://{machine}/"))
    except TransferError:
        return None


def _entries(path: Path) -> Iterator[tuple[str, str, str]]:
    _check(path)
    try:
        hosts = netrc.netrc(path).hosts
    except (netrc.NetrcParseError, UnicodeDecodeError):
        # Their messages quote the word that is wrong, and that may be the password.
        raise UsageError(f"{path} is not a netrc file: expected machine, login and password") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    for machine, (login, account, password) in hosts.items():
        if machine != "default" and password:
            yield machine, login or account or "", password


def _check(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise UsageError(f"--netrc: {path} cannot be read: {error.strerror}") from None
    if open_to_others(mode):
        raise UsageError(f"{path} can be read or changed by other users: chmod 600 it, then run again")
