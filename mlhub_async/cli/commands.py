"""The commands' names, arguments and help; what they do is imported when they do it."""

# ruff: noqa: PLC0415 - help and completion should not wait for the engine to be imported

from __future__ import annotations

from typing import Any

import click

from .app import Command
from .options import COPY, NETWORK, PRUNE, SAMPLE, SELECTION, SOME, declared, exclusive, to_options
from .output import output

SAVE = "Write the items that would be mirrored; .ndjson: one a line. A SOURCE for later."


@click.command(cls=Command)
@click.argument("source")
@click.argument("dest", required=False)
@click.option("-o", "--output-dir", "output_dir", metavar="DEST", help="DEST, for those who write it so.")
@click.option("-n", "--dry-run", is_flag=True, help="Fetch and remove nothing: as 'plan SOURCE'.")
@click.option("--save", metavar="FILE", help=f"With -n: {SAVE}")
@declared(SELECTION, NETWORK, COPY, PRUNE)
@click.option("--overwrite", is_flag=True, help="The same as --if-exists overwrite.")
@click.option("--skip-existing", is_flag=True, help="The same as --if-exists skip.")
@output
def mirror(source: str, save: str | None, dry_run: bool, **given: Any) -> int:
    """Copy a catalogue's assets; run again to resume and refresh.

    SOURCE is "mlhub" (with -c or --dataset), the URL of a STAC API, or a STAC document, as a URL or a
    path; "-" reads items from stdin. DEST is the current directory if not given.
    """
    from .actions.mirror import run_mirror
    from .actions.plan import run_plan
    from .console import console_of

    dest = exclusive("DEST", given.pop("dest"), given.pop("output_dir"))
    dest = "." if dest is None else dest
    aliases = [name for name in ("overwrite", "skip_existing") if given.pop(name)]
    meant = [name.removesuffix("_existing") for name in aliases]
    given["if_exists"] = exclusive("--if-exists", given["if_exists"], *meant)
    if save and not dry_run:
        raise click.UsageError("--save belongs to -n: a mirror writes its own catalogue")
    screen, options = console_of(given), to_options(given)
    if dry_run:
        return run_plan(source, dest, options, screen, save)
    return run_mirror(source, dest, options, screen)


@click.command(cls=Command)
@click.argument("source")
@click.option("--save", metavar="FILE", help=SAVE)
@declared(SELECTION, NETWORK, COPY)
@output
def plan(source: str, save: str | None, **given: Any) -> int:
    """Tell what a mirror of SOURCE would fetch: counts, sizes, disk."""
    from .actions.plan import run_plan
    from .console import console_of

    screen = console_of(given)
    return run_plan(source, ".", to_options(given), screen, save)


@click.command()
@click.argument("dest", default=".")
@click.option("-j", "--concurrency", "--jobs", "workers", type=SOME, metavar="N", help="Files at a time.")
@click.option("--deep", is_flag=True, help="Also look into files: TIFF, JPEG 2000, HDF5, ZIP, JSON ...")
@output
def verify(dest: str, workers: int | None, deep: bool, **given: Any) -> int:
    """Prove a mirror offline: sizes, digests, receipt. Exit 6 if it is damaged."""
    from .actions.verify import run_verify
    from .console import console_of

    return run_verify(dest, workers, console_of(given), deep=deep)


@click.command()
@click.argument("dest", default=".")
@output
def status(dest: str, **given: Any) -> int:
    """Tell what the ledger says, by collection and kind of failure."""
    from .actions.verify import run_status
    from .console import console_of

    return run_status(dest, console_of(given))


@click.command(cls=Command)
@click.argument("source", default="mlhub")
@declared(SELECTION, NETWORK)
@output
def ls(source: str, **given: Any) -> int:
    """List datasets, collections, items or assets, level by level.

    Without selection the top level; with -c the items of a collection; with --ids their assets.
    """
    from .actions.ls import run_ls
    from .console import console_of

    screen = console_of(given)
    return run_ls(source, to_options(given), screen)


@click.command()
@click.argument("dest", default="demo-mirror")
@declared(SAMPLE)
@output
def demo(dest: str, **given: Any) -> int:
    """Mirror the sample catalogue, served on loopback, into DEST.

    DEST is demo-mirror if not given.
    """
    from .actions.demo import run_demo
    from .console import console_of

    screen = console_of(given)
    return run_demo(dest, given, screen)


@click.command("serve-demo")
@click.option("--port", type=click.IntRange(0, 65535), metavar="N", help="Port of the API (any free one).")
@declared(SAMPLE)
def serve_demo(**given: Any) -> int:
    """Keep the sample catalogue running on loopback, to try things."""
    from .actions.demo import run_serve_demo

    return run_serve_demo(given)


@click.command()
@click.argument("directory", metavar="[DIR]", default=".")
@click.option(
    "--kills",
    type=click.IntRange(1, 40),
    metavar="N",
    default=5,
    show_default=True,
    help="How often to kill -9.",
)
@output
def selftest(directory: str, kills: int, **given: Any) -> int:
    """Try whether DIR and this machine can hold a mirror.

    That is: locks, renames, the ledger, names, kill -9. Works in a directory of its own below DIR, which
    it removes, against a catalogue on loopback. Exit 0 if all that matters holds (warnings do not count),
    7 if not.
    """
    from .actions.selftest import run_selftest
    from .console import console_of

    quiet = bool(given["quiet"])
    return run_selftest(directory, kills, console_of(given), quiet=quiet)
