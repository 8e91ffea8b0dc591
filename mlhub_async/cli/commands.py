"""Names, arguments and help of the commands. What a command needs is imported when it runs."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import click

from .app import WORDS, Command

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from ..core.options import Options
    from .help.sections import Option, Section

READING = ("SELECTION", "TRANSFER", "NETWORK", "CREDENTIALS")
"""The options of every command that reads a SOURCE."""
WRITING = ("FILES", "DESTINATION", "LIMITS", "PRUNE")


def options_of(*sections: str) -> Callable[[], list[Option]]:
    """Makes the options of these sections; the modules that declare them are imported only then."""

    def make() -> list[Option]:
        return [option for name in sections for option in _section(name).make()]

    return make


def _section(name: str) -> Section:
    from . import options

    if hasattr(options, name):
        return cast("Section", getattr(options, name))
    from . import command_options

    return cast("Section", getattr(command_options, name))


def _complete_source(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Files, for a SOURCE on disk; what has no path is not completed."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def _complete_directory(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="dir")]


@click.command(
    cls=Command,
    declared=options_of(
        *(
            *READING,
            "FILES",
            "DESTINATION",
            "LIMITS",
            "PRUNE",
            "REPETITION",
            "FULL_LISTING",
            "DRY_RUN",
            "METRICS",
            "OUTPUT",
        )
    ),
)
@click.argument("source", shell_complete=_complete_source)
@click.argument("dest", required=False, shell_complete=_complete_directory)
def mirror(
    source: str, save: str | None, dry_run: bool, forecast: bool, every: float | None, **given: Any
) -> int:
    """Copy a catalogue's assets; run again to resume or refresh.

    SOURCE is "mlhub" (with -c or --dataset), the URL of a STAC API, or the URL or path of a STAC document;
    "-" reads items from stdin. Without DEST the mirror in the current directory is continued.
    """
    from .options import single_value
    from .terminal.console import console_from

    dest = single_value("DEST", given.pop("dest"), given.pop("output_dir"))
    dest = _mirror_here(dry_run=dry_run) if dest is None else dest
    if save is not None and not dry_run:
        raise click.UsageError("--save needs -n: a mirror writes its own catalogue into DEST")
    if forecast and not dry_run:
        raise click.UsageError("--forecast needs -n: a mirror learns the sizes as it fetches")
    console, options = console_from(given), _mirror_options(given)
    if dry_run:
        from .actions.plan import run_plan

        if every is not None:
            raise click.UsageError("--every repeats a mirror: leave out -n, or --every")
        return run_plan(source, dest, options, console, save, forecast=forecast)
    from .actions.mirror import run_mirror, run_mirror_repeatedly

    if every is None:
        return run_mirror(source, dest, options, console)
    reread = partial(_options_now, click.get_current_context())
    return run_mirror_repeatedly(source, dest, options, console, every, reread)


def _mirror_options(given: dict[str, Any]) -> Options:
    """`Options` with what is left of the words of a mirror; --overwrite and --skip-existing are aliases."""
    from .options import single_value, to_options

    aliases = [name for name in ("overwrite", "skip_existing") if given.pop(name)]
    modes = [name.removesuffix("_existing") for name in aliases]
    given["if_exists"] = single_value("--if-exists", given["if_exists"], *modes)
    return to_options(given)


def _options_now(ctx: click.Context) -> tuple[float | None, Options]:
    """--every and the options of a mirror, with the configuration files as they are now."""
    from .settings.config_files import refuse_what_is_read_once

    refuse_what_is_read_once(os.environ)
    again = ctx.command.make_context(ctx.info_name, list(ctx.meta[WORDS]), parent=ctx.parent)
    given = dict(again.params)
    every = given.pop("every")
    for name in (
        "source",
        "dest",
        "output_dir",
        "save",
        "dry_run",
        "forecast",
        "quiet",
        "verbose",
        "as_json",
    ):
        del given[name]
    return every, _mirror_options(given)


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
@click.argument("source", shell_complete=_complete_source)
def plan(source: str, save: str | None, forecast: bool, **given: Any) -> int:
    """Count what a mirror of SOURCE would fetch.

    Prints items, assets and bytes, and the free space of the current directory. Contacts no host of assets,
    but with --forecast.
    """
    from .actions.plan import run_plan
    from .options import to_options
    from .terminal.console import console_from

    console = console_from(given)
    return run_plan(source, None, to_options(given), console, save, forecast=forecast)


@click.command(cls=Command, declared=options_of(*READING, "FILES", "DIFFERENCE", "OUTPUT"))
@click.argument("source", shell_complete=_complete_source)
@click.argument("dest", shell_complete=_complete_directory)
def diff(source: str, dest: str, exit_code: bool, **given: Any) -> int:
    """Print what a mirror of SOURCE into DEST would change.

    Item by item: + is fetched, ~ replaced, - not in the catalogue any more; with -v also what stays (=).
    Fetches and changes nothing. Of two lockfiles: what differs between them.
    """
    from ..sources.location import is_lockfile
    from .terminal.console import console_from

    every = given["verbose"] > 0
    console = console_from(given)
    if is_lockfile(source) and is_lockfile(dest):
        from .actions.inspection.lock import run_lock_diff

        return run_lock_diff(source, dest, console, fails=exit_code)
    from .actions.diff import run_diff
    from .options import to_options

    return run_diff(source, dest, to_options(given), console, fails=exit_code, every=every)


@click.command(cls=Command, declared=options_of("LOCK", "TRANSFER", "NETWORK", "CREDENTIALS", "OUTPUT"))
@click.argument("dest", default=".", shell_complete=_complete_source)
def lock(dest: str, output: str, check: bool, **given: Any) -> int:
    """Write the lockfile of a complete mirror, or check one.

    It names every file with its size, SHA-256 and address; as SOURCE of a mirror it gives the same bytes
    elsewhere, or a clear no. With --check DEST is a lockfile: what has changed or gone where its files are,
    found out without fetching them where that can be; exit code 4 if something has.
    """
    from .actions.inspection import lock as actions
    from .terminal.console import console_from

    console = console_from(given)
    if not check:
        if given["from_source"] is not None:
            raise click.UsageError("--from needs --check: a lockfile is written of a mirror alone")
        return actions.run_lock(dest, output, console)
    from .options import to_options

    return actions.run_lock_check(dest, to_options(given), console)


@click.command(cls=Command, declared=options_of("VERIFICATION", "BUCKET", "OUTPUT"))
@click.argument("dest", default=".", shell_complete=_complete_directory)
def verify(dest: str, workers: int | None, deep: bool, **given: Any) -> int:
    """Check a mirror offline; exit code 6 if it is damaged.

    Compares sizes, digests, documents and the receipt with the ledger; of a DEST in a bucket its listing, and
    with --deep the bytes of every object.
    """
    from .actions.inspection.verify import run_verify
    from .terminal.console import console_from

    bucket = {name: given.pop(name) for name in ("endpoint_url", "state")}
    return run_verify(dest, workers, console_from(given), deep=deep, bucket=bucket)


@click.command(cls=Command, declared=options_of("BUCKET", "OUTPUT"))
@click.argument("dest", default=".", shell_complete=_complete_directory)
def status(dest: str, **given: Any) -> int:
    """Print the counts of a mirror by collection and failure."""
    from .actions.inspection.status import run_status
    from .terminal.console import console_from

    bucket = {name: given.pop(name) for name in ("endpoint_url", "state")}
    return run_status(dest, console_from(given), bucket)


@click.command(cls=Command, declared=options_of("OUTPUT"))
@click.argument("dest", default=".", shell_complete=_complete_directory)
def merge(dest: str, **given: Any) -> int:
    """Join the shards of a mirror and prove that it is complete.

    After all runs with --shard K/N into DEST. Fetches nothing. Exit code 5 if a shard is missing or has to be
    run again, 6 if one is damaged; then the shards stay as they are.
    """
    from .actions.merge import run_merge
    from .terminal.console import console_from

    return run_merge(dest, console_from(given))


@click.command(cls=Command, declared=options_of("REPORT", "OUTPUT"))
@click.argument("dest", shell_complete=_complete_directory)
def report(dest: str, output: str | None, **given: Any) -> int:
    """Write one self-contained HTML page about a mirror.

    What was asked and got, a map, counts by collection, time and class, what is missing and what to do.
    Prints the path of the page. Fetches nothing; a run may be going on.
    """
    from .actions.inspection.report import run_report
    from .terminal.console import console_from

    return run_report(dest, output, console_from(given))


@click.command(cls=Command, declared=options_of("DATASETS", *READING, "OUTPUT"))
@click.argument("source", default="mlhub", shell_complete=_complete_source)
def ls(source: str, tags: tuple[str, ...], text: tuple[str, ...], **given: Any) -> int:
    """List datasets, collections, items or assets.

    One level at a time: without a selection the top level; with -c the items of a collection; with --ids
    their assets.
    """
    from ..sources.browse import DatasetFilter
    from .actions.ls import run_ls
    from .options import to_options
    from .terminal.console import console_from

    console = console_from(given)
    return run_ls(source, to_options(given), console, DatasetFilter(tags, text))


@click.command(cls=Command, declared=options_of("PROFILE"))
def configure(**given: Any) -> int:
    """Write an MLHub API key to the profiles file.

    The official client reads the same file.
    """
    from .actions.configure import run_configure

    return run_configure(**given)


@click.command(cls=Command, declared=options_of("CREDENTIALS", "NETWORK", "OUTPUT"))
@click.argument("what", type=click.Choice(["status"]), metavar="status")
def auth(what: str, **given: Any) -> int:
    """Print which keys are seen, for which hosts and until when.

    Never a key. Sends nothing.
    """
    from .actions.auth import run_auth_status
    from .options import to_options
    from .terminal.console import console_from

    console = console_from(given)
    return run_auth_status(to_options(given), console)


@click.command(cls=Command, declared=options_of("KILLS", "OUTPUT"))
@click.argument("directory", metavar="[DIR]", default=".", shell_complete=_complete_directory)
def selftest(directory: str, kills: int, **given: Any) -> int:
    """Check whether the disk of DIR can hold a mirror.

    Tries locks, renames, the ledger, file names and kill -9, in a new directory below DIR, which it removes,
    with a catalogue on loopback. Exit code 0 if all required checks pass (warnings do not count), 7 if not.
    """
    from .actions.selftest import run_selftest
    from .terminal.console import console_from

    return run_selftest(directory, kills, console_from(given))


@click.command(cls=Command, declared=options_of("SAMPLE", "OUTPUT"))
@click.argument("dest", default="demo-mirror", shell_complete=_complete_directory)
def demo(dest: str, **given: Any) -> int:
    """Mirror the sample catalogue, served on loopback, into DEST.

    DEST is demo-mirror by default.
    """
    from .actions.demo import run_demo
    from .terminal.console import console_from

    console = console_from(given)
    return run_demo(dest, given, console)


@click.command("serve-demo", cls=Command, declared=options_of("PORT", "SAMPLE"))
def serve_demo(**given: Any) -> int:
    """Serve the sample catalogue on loopback until interrupted."""
    from .actions.demo import run_serve_demo

    return run_serve_demo(given)


@click.command(cls=Command, declared=options_of("SERVER"))
@click.argument("dest", default=".", shell_complete=_complete_directory)
def serve(dest: str, host: str, port: int | None) -> int:
    """Serve a mirror over HTTP on loopback, with a page to browse it.

    For STAC clients, QGIS, GDAL and another mirror: ranges, validators, digests, CORS. It changes nothing and
    runs until interrupted, also while a mirror run works on DEST.
    """
    from .actions.inspection.serve import run_serve

    return run_serve(dest, host, port)


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def completion(shell: str) -> int:
    """Print the completion script of a shell."""
    from .help.completion import script
    from .terminal.output import print_lines

    print_lines(script(shell).splitlines())
    return 0
