"""Names, arguments and help of the commands. What a command needs is imported when it runs."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import click

from .app import Command, Option

READING = ("SELECTION", "TRANSFER", "NETWORK", "CREDENTIALS")
"""The options of every command that reads a SOURCE."""
WRITING = ("FILES", "DESTINATION", "LIMITS", "PRUNE")


def options_of(*sections: str) -> Callable[[], list[Option]]:
    """Makes the options of these sections; `cli.options` is imported only then."""

    def make() -> list[Option]:
        from . import options

        return [option for section in sections for option in getattr(options, section).make()]

    return make


@click.command(
    cls=Command, declared=options_of(*READING, "FILES", "DESTINATION", "LIMITS", "PRUNE", "DRY_RUN", "OUTPUT")
)
@click.argument("source")
@click.argument("dest", required=False)
def mirror(source: str, save: str | None, dry_run: bool, **given: Any) -> int:
    """Copy a catalogue's assets; run again to resume or refresh.

    SOURCE is "mlhub" (with -c or --dataset), the URL of a STAC API, or the URL or path of a STAC document;
    "-" reads items from stdin. Without DEST the mirror in the current directory is continued.
    """
    from .console import console_from
    from .options import single_value, to_options

    dest = single_value("DEST", given.pop("dest"), given.pop("output_dir"))
    dest = _mirror_here(dry_run=dry_run) if dest is None else dest
    aliases = [name for name in ("overwrite", "skip_existing") if given.pop(name)]
    modes = [name.removesuffix("_existing") for name in aliases]
    given["if_exists"] = single_value("--if-exists", given["if_exists"], *modes)
    if save and not dry_run:
        raise click.UsageError("--save needs -n: a mirror writes its own catalogue into DEST")
    console, options = console_from(given), to_options(given)
    if dry_run:
        from .actions.plan import run_plan

        return run_plan(source, dest, options, console, save)
    from .actions.mirror import run_mirror

    return run_mirror(source, dest, options, console)


def _mirror_here(*, dry_run: bool) -> str:
    """The current directory as DEST, where it has a mirror: a forgotten DEST must not fill another folder."""
    from ..storage.layout import STATE_DIR

    if not dry_run and not os.path.isdir(STATE_DIR):
        raise click.UsageError(
            "DEST is missing: give a directory, or '.' for the current one; behind an option for several "
            "values, such as -i, write it with a slash: ./DEST"
        )
    return "."


@click.command(cls=Command, declared=options_of(*READING, "FILES", "LIMITS", "PLAN", "OUTPUT"))
@click.argument("source")
def plan(source: str, save: str | None, **given: Any) -> int:
    """Count what a mirror of SOURCE would fetch.

    Prints items, assets and bytes, and the free space of the current directory.
    """
    from .actions.plan import run_plan
    from .console import console_from
    from .options import to_options

    console = console_from(given)
    return run_plan(source, None, to_options(given), console, save)


@click.command(cls=Command, declared=options_of(*READING, "FILES", "DIFFERENCE", "OUTPUT"))
@click.argument("source")
@click.argument("dest")
def diff(source: str, dest: str, exit_code: bool, **given: Any) -> int:
    """Print what a mirror of SOURCE into DEST would change.

    Item by item: + is fetched, ~ replaced, - not in the catalogue any more; with -v also what stays (=).
    Fetches and changes nothing.
    """
    from .actions.diff import run_diff
    from .console import console_from
    from .options import to_options

    every = given["verbose"] > 0
    console = console_from(given)
    return run_diff(source, dest, to_options(given), console, fails=exit_code, every=every)


@click.command(cls=Command, declared=options_of("VERIFICATION", "OUTPUT"))
@click.argument("dest", default=".")
def verify(dest: str, workers: int | None, deep: bool, **given: Any) -> int:
    """Check a mirror offline; exit code 6 if it is damaged.

    Compares sizes, digests, documents and the receipt with the ledger.
    """
    from .actions.verify import run_verify
    from .console import console_from

    return run_verify(dest, workers, console_from(given), deep=deep)


@click.command(cls=Command, declared=options_of("OUTPUT"))
@click.argument("dest", default=".")
def status(dest: str, **given: Any) -> int:
    """Print the counts of a mirror by collection and failure."""
    from .actions.status import run_status
    from .console import console_from

    return run_status(dest, console_from(given))


@click.command(cls=Command, declared=options_of(*READING, "OUTPUT"))
@click.argument("source", default="mlhub")
def ls(source: str, **given: Any) -> int:
    """List datasets, collections, items or assets.

    One level at a time: without a selection the top level; with -c the items of a collection; with --ids
    their assets.
    """
    from .actions.ls import run_ls
    from .console import console_from
    from .options import to_options

    console = console_from(given)
    return run_ls(source, to_options(given), console)


@click.command(cls=Command, declared=options_of("PROFILE"))
def configure(**given: Any) -> int:
    """Write an MLHub API key to the profiles file.

    The official client reads the same file.
    """
    from .actions.configure import run_configure

    return run_configure(**given)


@click.command(cls=Command, declared=options_of("KILLS", "OUTPUT"))
@click.argument("directory", metavar="[DIR]", default=".")
def selftest(directory: str, kills: int, **given: Any) -> int:
    """Check whether the disk of DIR can hold a mirror.

    Tries locks, renames, the ledger, file names and kill -9, in a new directory below DIR, which it removes,
    with a catalogue on loopback. Exit code 0 if all required checks pass (warnings do not count), 7 if not.
    """
    from .actions.selftest import run_selftest
    from .console import console_from

    return run_selftest(directory, kills, console_from(given))


@click.command(cls=Command, declared=options_of("SAMPLE", "OUTPUT"))
@click.argument("dest", default="demo-mirror")
def demo(dest: str, **given: Any) -> int:
    """Mirror the sample catalogue, served on loopback, into DEST.

    DEST is demo-mirror by default.
    """
    from .actions.demo import run_demo
    from .console import console_from

    console = console_from(given)
    return run_demo(dest, given, console)


@click.command("serve-demo", cls=Command, declared=options_of("PORT", "SAMPLE"))
def serve_demo(**given: Any) -> int:
    """Serve the sample catalogue on loopback until interrupted."""
    from .actions.serve_demo import run_serve_demo

    return run_serve_demo(given)
