"""`configure`: keeps an MLHub key where this program and the official client look for it."""

from __future__ import annotations

import sys

import click

from ...core.secret import Secret
from ...http.auth import profiles
from .. import output
from ..options import SECRET


@click.command()
@click.option("--profile", default="default", show_default=True, metavar="NAME", help="Profile to write.")
@click.option("--api-key", type=SECRET, metavar="KEY|@FILE", help="Instead of asking, or reading stdin.")
@click.option("-y", "--yes", is_flag=True, help="Replace a key without asking.")
def configure(profile: str, api_key: Secret | None, yes: bool) -> int:
    """Write an MLHub profile, which the official client reads too."""
    path = profiles.profiles_path()
    asks = sys.stdin.isatty()
    if asks and not yes and profiles.has_profile(path, profile):
        click.confirm(f"{path} already has a key for [{profile}]. Replace it?", abort=True, err=True)
    profiles.write_profile(path, profile, api_key or _asked(asks))
    output.say(f"The key of profile [{profile}] is in {path}")
    return 0


def _asked(asks: bool) -> Secret:
    if asks:
        return Secret(click.prompt("MLHub API key", hide_input=True, err=True))
    return Secret(sys.stdin.readline())
