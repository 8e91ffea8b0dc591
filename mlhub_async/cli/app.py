"""The one place where what went wrong becomes a line on stderr and an exit code."""

from __future__ import annotations

import contextlib
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import click

from ..core.errors import DiskFullWarning, MlhubError, UsageError
from . import output
from .options import join_bbox, repeat

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


class Command(click.Command):
    """A command whose --bbox takes four or six words, and whose repeatable options take several."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, repeat(join_bbox(args), self))


class Program(click.Group):
    """The command group. Its commands return their exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which people need them."""
        return list(self.commands)

    def main(  # type: ignore[override]  # never returns, where click's may
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        """Run the command and exit the process: no traceback for anything but a bug."""
        extra["standalone_mode"] = False
        output.prepare_streams()
        with warnings.catch_warnings():
            warnings.showwarning = output.warning
            warnings.simplefilter("always", DiskFullWarning)
            sys.exit(self._code(args, prog_name or "mlhub-async", extra))

    def _code(self, args: Sequence[str] | None, name: str, extra: dict[str, Any]) -> int:
        try:
            code = super().main(args, name, **extra)
        except click.exceptions.NoArgsIsHelpError as bare:
            click.echo(bare.format_message(), err=True)
            return 2
        except click.ClickException as wrong:
            return _told(UsageError(wrong.format_message() + _see(wrong)), args)
        except MlhubError as failure:
            return _told(failure, args)
        except click.Abort:
            return 128 + signal.SIGINT
        return code if isinstance(code, int) else 0

    def make_context(self, *args: Any, **how: Any) -> click.Context:
        with _while_somebody_reads(), output.somewhere_to_write():
            return super().make_context(*args, **how)

    def invoke(self, ctx: click.Context) -> Any:
        with _while_somebody_reads():
            code = super().invoke(ctx)
            with output.somewhere_to_write():
                sys.stdout.flush()
            return code


@contextlib.contextmanager
def _while_somebody_reads() -> Iterator[None]:
    """A reader of stdout that leaves, as `head` does, ends the program as the shell expects."""
    try:
        yield
    except BrokenPipeError:
        output.abandon(sys.stdout)
        raise click.exceptions.Exit(output.BROKEN_PIPE) from None


def _told(failure: MlhubError, args: Sequence[str] | None) -> int:
    """What went wrong before there was a run, to people and, if it was --json, to programs."""
    output.error(failure.message)
    if "--json" in (sys.argv[1:] if args is None else args):
        with contextlib.suppress(OSError, MlhubError):
            output.show(
                [output.encoded(output.summary(failure.exit_code, output.as_event(failure))).decode()]
            )
            sys.stdout.flush()
    return failure.exit_code


def _see(wrong: click.ClickException) -> str:
    ctx = wrong.ctx if isinstance(wrong, click.UsageError) else None
    return f" (see '{ctx.command_path} -h')" if ctx is not None else ""
