"""The command line: parses words into `Options`, runs a command and ends with its exit code."""

from __future__ import annotations

import gc
import sys
from typing import NoReturn

import click

from .. import __version__
from . import commands
from .app import SETTINGS, Program
from .terminal.output import print_traceback

GC_THRESHOLD = 50_000
"""Objects allocated more than freed between two garbage collections; one page of items has thousands.

Parsed documents have no reference cycles, and with the default threshold the search for some takes half
the time of parsing them.
"""


@click.group(cls=Program, context_settings=SETTINGS)
@click.version_option(__version__, "-V", "--version", prog_name="mlhub-async")
def main_group() -> None:
    """Mirror the assets of a STAC catalogue.

    If it exits 0, the copy is complete and correct, and DEST/.mlhub/receipt.json proves it.
    """


for command in (
    commands.mirror,
    commands.plan,
    commands.diff,
    commands.lock,
    commands.verify,
    commands.status,
    commands.merge,
    commands.report,
    commands.ls,
    commands.configure,
    commands.auth,
    commands.serve,
    commands.selftest,
    commands.demo,
    commands.serve_demo,
    commands.completion,
):
    main_group.add_command(command)


def main() -> NoReturn:
    """Entry point of `mlhub-async` and `python -m mlhub_async`."""
    gc.set_threshold(GC_THRESHOLD)
    sys.excepthook = print_traceback
    main_group.main()
