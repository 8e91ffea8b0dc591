"""The click group of all commands: turns every failure into one line on stderr and an exit code."""

from __future__ import annotations

import contextlib
import signal
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NoReturn

import click

from ..core.errors import DiskFullWarning, MlhubError, UsageError
from . import output

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 110}
OTHER_SECTION = "Other"


class Option(click.Option):
    """An option that names the section of the help text it is listed in."""

    def __init__(self, *names: Any, section: str = OTHER_SECTION, **attributes: Any) -> None:
        super().__init__(*names, **attributes)
        self.section = section


class Command(click.Command):
    """A command with its options in sections, a --bbox of several words and repeatable options likewise.

    `declared` makes its options when they are needed: the help of the program needs none.
    """

    def __init__(
        self, *args: Any, declared: Callable[[], Iterable[Option]] | None = None, **attributes: Any
    ) -> None:
        self._declared = declared
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

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        from .arguments import join_bbox, repeat_option_names

        return super().parse_args(ctx, repeat_option_names(join_bbox(args), self))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options by section, in the order in which the sections first appear; -h comes last."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for option in (param for param in self.get_params(ctx) if isinstance(param, click.Option)):
            title = option.section if isinstance(option, Option) else OTHER_SECTION
            if (row := option.get_help_record(ctx)) is not None:
                sections.setdefault(title, []).append(row)
        for title, rows in sections.items():
            with formatter.section(title):
                formatter.write_dl(rows)


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
            sys.exit(self._exit_code(args, prog_name or "mlhub-async", extra))

    def _exit_code(self, args: Sequence[str] | None, name: str, extra: dict[str, Any]) -> int:
        try:
            code = super().main(args, name, **extra)
        except click.exceptions.NoArgsIsHelpError as bare:
            click.echo(bare.format_message(), err=True)
            return 2
        except click.ClickException as wrong:
            return _report(UsageError(wrong.format_message() + _help_hint(wrong)), args)
        except MlhubError as failure:
            return _report(failure, args)
        except click.Abort:
            return 128 + signal.SIGINT
        return code if isinstance(code, int) else 0

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        with _exit_on_broken_pipe(), output.check_stdout():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with _exit_on_broken_pipe():
            code = super().invoke(ctx)
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


def _help_hint(wrong: click.ClickException) -> str:
    ctx = wrong.ctx if isinstance(wrong, click.UsageError) else None
    return f" (see '{ctx.command_path} -h')" if ctx is not None else ""
