"""The command line: words in, `Options` down, exit codes out."""

from __future__ import annotations

import gc
import sys
from typing import NoReturn

import click

from .. import __version__
from . import commands
from .actions.configure import configure
from .app import SETTINGS, Program
from .output import crash

YOUNG = 50_000
"""Objects more than were freed, between two searches for cycles: one page of items alone has thousands.

Documents have none, but looking for them would take half the time that reading them does.
"""


@click.group(cls=Program, context_settings=SETTINGS)
@click.version_option(__version__, "--version", prog_name="mlhub-async")
def main_group() -> None:
    """Mirror a STAC catalogue's assets: whole, provably, fast.

    If it exits 0 the copy is complete and correct, and DEST/.mlhub/receipt.json proves it.
    """


for command in (
    commands.mirror,
    commands.plan,
    commands.verify,
    commands.status,
    commands.ls,
    configure,
    commands.selftest,
    commands.demo,
    commands.serve_demo,
):
    main_group.add_command(command)


def main() -> NoReturn:
    """Entry point of `mlhub-async` and `python -m mlhub_async`."""
    gc.set_threshold(YOUNG)
    sys.excepthook = crash
    main_group.main()
