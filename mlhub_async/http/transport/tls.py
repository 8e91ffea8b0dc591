"""The TLS contexts of all transports, also where SSLKEYLOGFILE names a file that cannot be written."""

from __future__ import annotations

import os
import ssl
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

KEY_LOG = "SSLKEYLOGFILE"


def default_context(ca_file: str | None = None) -> ssl.SSLContext:
    """The context of Python, which trusts the certificates of the system or of `ca_file`. Raises OSError."""
    with usable_key_log():
        return ssl.create_default_context(cafile=ca_file)


@contextmanager
def usable_key_log() -> Iterator[None]:
    """Do without SSLKEYLOGFILE inside if it cannot be written, and say so: Python raises OSError with it.

    To be put around what makes contexts, as the import of aiohttp does.
    """
    if not (path := os.environ.get(KEY_LOG)) or _can_append(path):
        yield
        return
    warnings.warn(f"{KEY_LOG}={path} cannot be written: no keys of TLS are logged", stacklevel=4)
    del os.environ[KEY_LOG]
    try:
        yield
    finally:
        os.environ[KEY_LOG] = path


def _can_append(path: str) -> bool:
    try:
        with open(path, "ab"):
            return True
    except OSError:
        return False
