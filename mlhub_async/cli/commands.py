"""Names, arguments and help of the commands. What a command needs is imported when it runs."""

# ruff: noqa: PLC0415 - help and completion should not wait for the import of the engine

from __future__ import annotations

import os
from typing import Any

import click

from ..storage.layout import STATE_DIR
from .app import Command
from .options import (
    CREDENTIALS,
    DESTINATION,
    DIFFERENCE,
    DRY_RUN,
    FILES,
    KILLS,
    LIMITS,
    NETWORK,
    OUTPUT,
    PLAN,
    PORT,
    PROFILE,
    PRUNE,
    SAMPLE,
    SELECTION,
    TRANSFER,
    VERIFICATION,
    single_value,
    to_options,
)
from .sections import add_options

READING = (SELECTION, TRANSFER, NETWORK, CREDENTIALS)
"""The options of every command that reads a SOURCE."""


@click.command(cls=Command)
@click.argument("source")
@click.argument("dest", required=False)
@add_options(*READING, FILES, DESTINATION, LIMITS, PRUNE, DRY_RUN, OUTPUT)
def mirror(source: str, save: str | None, dry_run: bool, **given: Any) -> int:
    """Copy a catalogue's assets; run again to resume or refresh.

    SOURCE is "mlhub" (with -c or --dataset), the URL of a STAC API, or the URL or path of a STAC document;
    "-" reads items from stdin. Without DEST the mirror in the current directory is continued.
    """
    from .actions.mirror import run_mirror
    from .actions.plan import run_plan
    from .console import console_from

    dest = single_value("DEST", given.pop("dest"), given.pop("output_dir"))
    dest = _mirror_here(dry_run=dry_run) if dest is None else dest
    aliases = [name for name in ("overwrite", "skip_existing") if given.pop(name)]
    modes = [name.removesuffix("_existing") for name in aliases]
    given["if_exists"] = single_value("--if-exists", given["if_exists"], *modes)
    if save and not dry_run:
        raise click.UsageError("--save needs -n: a mirror writes its own catalogue into DEST")
    console, options = console_from(given), to_options(given)
    if dry_run:
        return run_plan(source, dest, options, console, save)
    return run_mirror(source, dest, options, console)


def _mirror_here(*, dry_run: bool) -> str:
    """The current directory as DEST, where it has a mirror: a forgotten DEST must not fill another folder."""
    if not dry_run and not os.path.isdir(STATE_DIR):
        raise click.UsageError("DEST is missing: give a directory, or '.' for the current one")
    return "."


@click.command(cls=Command)
@click.argument("source")
@add_options(*READING, FILES, LIMITS, PLAN, OUTPUT)
def plan(source: str, save: str | None, **given: Any) -> int:
    """Count what a mirror of SOURCE would fetch.

    Prints items, assets and bytes, and the free space of the current directory.
    """
    from .actions.plan import run_plan
    from .console import console_from

    console = console_from(given)
    return run_plan(source, None, to_options(given), console, save)


@click.command(cls=Command)
@click.argument("source")
@click.argument("dest")
@add_options(*READING, FILES, DIFFERENCE, OUTPUT)
def diff(source: str, dest: str, exit_code: bool, **given: Any) -> int:
    """Print what a mirror of SOURCE into DEST would change.

    Item by item: + is fetched, ~ replaced, - not in the catalogue any more; with -v also what stays (=).
    Fetches and changes nothing.
    """
    from .actions.diff import run_diff
    from .console import console_from

    every = given["verbose"] > 0
    console = console_from(given)
    return run_diff(source, dest, to_options(given), console, fails=exit_code, every=every)


@click.command(cls=Command)
@click.argument("dest", default=".")
@add_options(VERIFICATION, OUTPUT)
def verify(dest: str, workers: int | None, deep: bool, **given: Any) -> int:
    """Check a mirror offline; exit code 6 if it is damaged.

    Compares sizes, digests, documents and the receipt with the ledger.
    """
    from .actions.verify import run_verify
    from .console import console_from

    return run_verify(dest, workers, console_from(given), deep=deep)


@click.command(cls=Command)
@click.argument("dest", default=".")
@add_options(OUTPUT)
def status(dest: str, **given: Any) -> int:
    """Print the counts of a mirror by collection and failure."""
    from .actions.status import run_status
    from .console import console_from

    return run_status(dest, console_from(given))


@click.command(cls=Command)
@click.argument("source", default="mlhub")
@add_options(*READING, OUTPUT)
def ls(source: str, **given: Any) -> int:
    """List datasets, collections, items or assets.

    One level at a time: without a selection the top level; with -c the items of a collection; with --ids
    their assets.
    """
    from .actions.ls import run_ls
    from .console import console_from

    console = console_from(given)
    return run_ls(source, to_options(given), console)


@click.command(cls=Command)
@add_options(PROFILE)
def configure(**given: Any) -> int:
    """Write an MLHub API key to the profiles file.

    The official client reads the same file.
    """
    from .actions.configure import run_configure

    return run_configure(**given)


@click.command(cls=Command)
@click.argument("directory", metavar="[DIR]", default=".")
@add_options(KILLS, OUTPUT)
def selftest(directory: str, kills: int, **given: Any) -> int:
    """Check whether the disk of DIR can hold a mirror.

    Tries locks, renames, the ledger, file names and kill -9, in a new directory below DIR, which it removes,
    with a catalogue on loopback. Exit code 0 if all required checks pass (warnings do not count), 7 if not.
    """
    from .actions.selftest import run_selftest
    from .console import console_from

    return run_selftest(directory, kills, console_from(given))


@click.command(cls=Command)
@click.argument("dest", default="demo-mirror")
@add_options(SAMPLE, OUTPUT)
def demo(dest: str, **given: Any) -> int:
    """Mirror the sample catalogue, served on loopback, into DEST.

    DEST is demo-mirror by default.
    """
    from .actions.demo import run_demo
    from .console import console_from

    console = console_from(given)
    return run_demo(dest, given, console)


@click.command("serve-demo", cls=Command)
@add_options(PORT, SAMPLE)
def serve_demo(**given: Any) -> int:
    """Serve the sample catalogue on loopback until interrupted."""
    from .actions.serve_demo import run_serve_demo

    return run_serve_demo(given)
