"""Reads and writes the profiles file of the official MLHub client (INI, one section per profile)."""

from __future__ import annotations

import io
import os
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ...core.errors import UsageError
from ...core.secret import Secret, one_line, open_to_others

if TYPE_CHECKING:
    import configparser

ANONYMOUS = "__anonymous__"
"""The name of the profile without a key: requests are sent unauthenticated."""


def profiles_path(environ: Mapping[str, str] | None = None) -> Path:
    """Where the official client keeps its profiles: `profiles` in MLHUB_HOME, by default ~/.mlhub."""
    environ = os.environ if environ is None else environ
    return under_home(environ.get("MLHUB_HOME") or "~/.mlhub", "MLHUB_HOME") / "profiles"


def under_home(path: str, variable: str) -> Path:
    """A path that may begin with ~. Raises `UsageError` where nobody's home is known, as in a container that
    runs as a user without a name; `variable` is another way to say where the file is."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise UsageError(f"{path}: this user has no home directory: set HOME or {variable}") from None


def default_key(environ: Mapping[str, str]) -> str | None:
    """The API key of [default]; None if there is none, nor a home directory to have it in."""
    try:
        path = profiles_path(environ)
    except UsageError:
        return None
    return profile_key(path, None) if os.path.lexists(path) else None


def profile_key(path: Path, profile: str | None) -> str | None:
    """The API key of a profile. `profile` None: that of [default], or None if that does not exist.

    Raises `UsageError` for a named profile without a key, and for a file that cannot be read.
    """
    found = _read(path)
    key = found.get(profile or "default", "api_key", fallback="").strip()
    if profile and not key:
        raise UsageError(
            f"{path} has no api_key in section [{profile}]: run 'mlhub-async configure --profile {profile}'"
        )
    return key or None


def has_profile(path: Path, profile: str) -> bool:
    """Whether the file has a profile of this name with a key. Raises `UsageError` if it cannot be read."""
    return bool(_read(path).get(profile, "api_key", fallback=""))


def _read(path: Path) -> configparser.ConfigParser:
    import configparser  # only for those who have profiles

    found = configparser.ConfigParser(interpolation=None)
    try:
        with path.open(encoding="utf-8") as file:
            _warn_if_open_to_others(path, os.fstat(file.fileno()).st_mode)
            found.read_file(file)
    except FileNotFoundError:
        pass
    except (configparser.Error, UnicodeDecodeError):
        # Not the message of the error: it quotes the line, which may be the key.
        raise UsageError(
            f"{path} is not a profiles file: expected [section] lines and api_key = ..."
        ) from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    return found


def _warn_if_open_to_others(path: Path, mode: int) -> None:
    if open_to_others(mode):
        warnings.warn(f"{path} can be read by other users: chmod 600 it", stacklevel=5)


def write_profile(path: Path, profile: str, api_key: str | Secret) -> None:
    """Set the key of one profile. The file is replaced atomically, and only its owner may read it.

    The other profiles stay. Raises `UsageError` for an invalid name or key, or if the file cannot be written.
    """
    if profile in (ANONYMOUS, "DEFAULT") or not re.fullmatch(r"[^\[\]\x00-\x1f\x7f]+", profile):
        raise UsageError(f"{profile!r} cannot be the name of a profile")
    key = one_line(api_key, "the API key")
    if not key:
        raise UsageError("the API key is empty")
    path = path.resolve()  # a symbolic link stays: its target is replaced
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the new file is readable by its owner only
        profiles = _read(path)
    profiles.read_dict({profile: {"api_key": key}})
    try:
        _replace(path, profiles)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None


def _replace(path: Path, profiles: configparser.ConfigParser) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    from ...core.options.output_file import PRIVATE, output_file

    text = io.StringIO()
    profiles.write(text)
    with output_file(str(path), PRIVATE) as file:
        file.write(text.getvalue().encode())
        file.flush()
        os.fsync(file.fileno())
