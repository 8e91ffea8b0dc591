"""Options that are not on the command line: from MLHUB_* variables and configuration files."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

PREFIX = "MLHUB_"
LOCAL_NAME = "mlhub.toml"
"""The file of the current directory."""
APPLICATION = "mlhub-async"


def user_file(environ: Mapping[str, str]) -> str:
    """Where the user's file is on this system; it need not exist.

    On Linux `$XDG_CONFIG_HOME/mlhub-async/config.toml` (XDG Base Directory Specification).
    """
    if sys.platform.startswith("linux"):  # what platformdirs answers, without its import in every run
        base = environ.get("XDG_CONFIG_HOME", "")
        base = base if os.path.isabs(base) else os.path.expanduser("~/.config")
        return os.path.join(base, APPLICATION, "config.toml")
    import platformdirs

    return os.path.join(platformdirs.user_config_dir(APPLICATION, appauthor=False), "config.toml")


def are_there(environ: Mapping[str, str]) -> bool:
    """Whether there may be settings: a variable or a file. Most runs have none."""
    if any(name.startswith(PREFIX) for name in environ):
        return True
    return os.path.lexists(LOCAL_NAME) or os.path.lexists(user_file(environ))
