"""Hides the profiles file, which the official client shares: who may read it, and how it is changed."""

from __future__ import annotations

import configparser
import os
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

from ...core.errors import UsageError
from ...core.secret import Secret, one_line, open_to_others

ANONYMOUS = "__anonymous__"
"""The name of a profile that means: ask without a key."""


def profiles_path(environ: Mapping[str, str] | None = None) -> Path:
    """Where the official client keeps its profiles: `profiles` in MLHUB_HOME, by default ~/.mlhub."""
    environ = os.environ if environ is None else environ
    return Path(environ.get("MLHUB_HOME") or "~/.mlhub").expanduser() / "profiles"


def profile_key(path: Path, profile: str | None) -> str | None:
    """The key of a profile; of [default], which need not exist, when none is named."""
    found = _read(path)
    key = found.get(profile or "default", "api_key", fallback="").strip()
    if profile and not key:
        raise UsageError(
            f"{path} has no api_key in section [{profile}]: run 'mlhub-async configure --profile {profile}'"
        )
    return key or None


def has_profile(path: Path, profile: str) -> bool:
    return bool(_read(path).get(profile, "api_key", fallback=""))


def _read(path: Path) -> configparser.ConfigParser:
    found = configparser.ConfigParser(interpolation=None)
    try:
        with path.open(encoding="utf-8") as file:
            _warn_if_open_to_others(path, os.fstat(file.fileno()).st_mode)
            found.read_file(file)
    except FileNotFoundError:
        pass
    except (configparser.Error, UnicodeDecodeError):
        # Their messages quote the line, and the line may be the key.
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
    """Set one profile's key. The other profiles stay; the file is never half written nor open to others."""
    if profile in (ANONYMOUS, configparser.DEFAULTSECT) or not re.fullmatch(
        r"[^\[\]\x00-\x1f\x7f]+", profile
    ):
        raise UsageError(f"{profile!r} cannot be the name of a profile")
    key = one_line(api_key, "the API key")
    if not key:
        raise UsageError("the API key is empty")
    path = path.resolve()  # the file may be a link into a collection of dot-files: keep the link
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is written now is closed to others
        profiles = _read(path)
    profiles.read_dict({profile: {"api_key": key}})
    try:
        _replace(path, profiles)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None


def _replace(path: Path, profiles: configparser.ConfigParser) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".profiles.{uuid4().hex}")
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            profiles.write(file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
