"""`configure`: stores an MLHub API key where this program and the official client look for it."""

from __future__ import annotations

import sys

import click

from ...core.secret import Secret
from ...http.auth import profiles
from ..terminal.output import print_message


def run_configure(profile: str, api_key: Secret | None, yes: bool) -> int:
    """Write one profile; asks before it replaces a key, and for the key if `api_key` is None."""
    path = profiles.profiles_path()
    interactive = sys.stdin.isatty()
    if interactive and not yes and profiles.has_profile(path, profile):
        click.confirm(f"{path} already has a key for [{profile}]. Replace it?", abort=True, err=True)
    profiles.write_profile(path, profile, api_key or _read_key(interactive))
    print_message(f"The key of profile [{profile}] is in {path}")
    return 0


def _read_key(interactive: bool) -> Secret:
    if interactive:
        return Secret(click.prompt("MLHub API key", hide_input=True, err=True))
    return Secret(sys.stdin.readline())
