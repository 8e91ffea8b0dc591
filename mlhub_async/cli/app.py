"""The click group of all commands: turns every failure into one line on stderr and an exit code."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import click

from ..core.errors import (
    DiskFullWarning,
    LocalShortage,
    MlhubError,
    ReferenceWarning,
    StorageError,
    UsageError,
)
from .terminal import output

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from .help.sections import Option

WORDS = "mlhub_async.words"
"""In the context: the arguments of the command as they were given."""
SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


class Command(click.Command):
    """A command with its options in sections, a --bbox of several words and repeatable options likewise.

    `declared` makes its options when they are needed: the help of the program needs none. Options that are
    not given come from the environment and from configuration files.
    """

    def __init__(
        self, *args: Any, declared: Callable[[], Iterable[Option]] | None = None, **attributes: Any
    ) -> None:
        self._declared = declared
        self._short_help: Option | None = None
        super().__init__(*args, **attributes)

    @property
    def params(self) -> list[click.Parameter]:
        """The arguments, then the options in the order of their sections."""
        if self._declared is not None:
            declared, self._declared = self._declared, None
            self._params += declared()
        return self._params

    @params.setter
    def params(self, arguments: list[click.Parameter]) -> None:
        self._params = arguments

    def get_help_option_names(self, ctx: click.Context) -> list[str]:
        return ["--help"]

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """`params`, then -h and --help."""
        from .help.sections import short_help_option

        self._short_help = self._short_help or short_help_option()  # click compares options by identity
        every = super().get_params(ctx)
        return [*every[:-1], self._short_help, *every[-1:]]

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        with output.check_stdout():  # which gets the help
            return super().make_context(*args, **extra)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        from .arguments import join_bbox, repeat_option_names
        from .settings import are_there

        ctx.meta[WORDS] = tuple(args)
        words = repeat_option_names(join_bbox(args), self)
        if ctx.resilient_parsing or not are_there(os.environ):  # completion needs no settings
            return super().parse_args(ctx, words)
        from .settings.precedence import apply_settings

        with apply_settings(self, ctx, words):
            return super().parse_args(ctx, words)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from .help.pages import write_options

        write_options(self, ctx, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from .help.pages import write_end

        write_end(self, ctx, formatter)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The spellings that the help shows: aliases are accepted, not offered."""
        from .help.sections import Option

        shown = {name for one in self.params if isinstance(one, Option) for name in one.spellings}
        found = super().shell_complete(ctx, incomplete)
        return [one for one in found if one.value in shown or one.value in ("-h", "--help")]


class Program(click.Group):
    """The command group. Its commands return their exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which they were added, not by name: the usual ones first."""
        return list(self.commands)

    def main(  # type: ignore[override]  # never returns, where click's may
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        """Run the command and exit the process. Only a bug prints a traceback."""
        extra["standalone_mode"] = False
        output.prepare_streams()
        with warnings.catch_warnings():
            warnings.showwarning = output.print_warning
            warnings.simplefilter("always", DiskFullWarning)
            warnings.simplefilter("always", ReferenceWarning)
            sys.exit(self._exit_code(args, prog_name or "mlhub-async", extra))

    def _exit_code(self, args: Sequence[str] | None, name: str, extra: dict[str, Any]) -> int:
        try:
            code = super().main(args, name, **extra)
        except click.exceptions.NoArgsIsHelpError as bare:
            click.echo(bare.format_message(), err=True)
            return 2
        except click.ClickException as wrong:
            message = _about_bucket(wrong, args) or wrong.format_message() + _help_hint(wrong)
            return _report(UsageError(message), args)
        except MlhubError as failure:
            return _report(failure, args)
        except click.Abort:
            return 128 + signal.SIGINT
        except OSError as failure:
            if (known := _about_process(failure)) is None:
                raise
            return _report(known, args)
        return code if isinstance(code, int) else 0

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        with _exit_on_broken_pipe(), output.check_stdout():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with _exit_on_broken_pipe():
            try:
                code = super().invoke(ctx)
            except UsageError as wrong:
                from .settings.precedence import with_origins

                wrong.message = with_origins(wrong.message, ctx)
                raise
            with output.check_stdout():
                sys.stdout.flush()
            return code


@contextlib.contextmanager
def _exit_on_broken_pipe() -> Iterator[None]:
    """End the program with the exit code that shells expect if the reader of stdout has gone (`| head`)."""
    try:
        yield
    except BrokenPipeError:
        output.discard(sys.stdout)
        raise click.exceptions.Exit(output.BROKEN_PIPE) from None


def _report(failure: MlhubError, args: Sequence[str] | None) -> int:
    """Print a failure that came before the run, with --json as a summary event too; return its exit code."""
    output.print_error(failure.message)
    if "--json" in (sys.argv[1:] if args is None else args):
        event = output.summary_event(failure.exit_code, output.error_fields(failure))
        try:
            output.print_lines([output.to_json_line(event).decode()])
            sys.stdout.flush()
        except (OSError, MlhubError):
            output.discard(sys.stdout)  # or the interpreter would complain at its end
    return failure.exit_code


def _about_process(failure: OSError) -> StorageError | None:
    """The error to report for one that is about this process, wherever it was met; None for any other."""
    if failure.errno in (errno.EMFILE, errno.ENFILE):
        return LocalShortage(str(failure.strerror)).as_fatal()
    try:
        os.getcwd()
    except OSError:
        return StorageError("the current directory has been removed: change to one that exists")
    return None


def _about_bucket(wrong: click.ClickException, args: Sequence[str] | None) -> str:
    """What to say of an option for buckets that a command lacks, as it does not read them; else ""."""
    if not isinstance(wrong, click.NoSuchOption) or wrong.option_name not in ("--endpoint-url", "--state"):
        return ""
    from ..core.urls import is_store_address, redacted, term_safe

    words = sys.argv[1:] if args is None else args
    bucket = next((word for word in words if is_store_address(word)), None)
    if bucket is None:
        return ""
    where = term_safe(redacted(bucket), 300)
    return f"{where} is a bucket: this command reads a directory only; 'verify' and 'status' read buckets"


def _help_hint(wrong: click.ClickException) -> str:
    ctx = wrong.ctx if isinstance(wrong, click.UsageError) else None
    return f" (see '{ctx.command_path} -h')" if ctx is not None else ""
