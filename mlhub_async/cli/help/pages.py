"""The short (-h) and the long (--help) help page of a command."""

from __future__ import annotations

from collections.abc import Iterable

import click

from .sections import OTHER_SECTION, SHORT, Option
from .texts import ELSEWHERE, EXAMPLES, EXIT_CODES, USUAL

_COPYING = ("mirror", "demo")
"""Commands whose short help has the options about transfers: for the others they bound the listing only."""
_TRANSFER_SECTION = "Transfer"


def write_options(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    """Write the options by section, in the order in which these first appear; -h and --help come last."""
    sections: dict[str, list[tuple[str, str]]] = {}
    options = [one for one in command.get_params(ctx) if isinstance(one, click.Option)]
    for option in _usual(command, options) if SHORT in ctx.meta else options:
        title = option.section if isinstance(option, Option) else OTHER_SECTION
        if (row := option.get_help_record(ctx)) is not None:
            sections.setdefault(title, []).append(row)
    for title, rows in sections.items():
        with formatter.section(title):
            formatter.write_dl(rows)


def _usual(command: click.Command, options: Iterable[click.Option]) -> list[click.Option]:
    """The options of the short page."""
    return [
        one
        for one in options
        if isinstance(one, Option)
        and one.shown in USUAL
        and (command.name in _COPYING or one.section != _TRANSFER_SECTION)
    ]


def write_end(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    """Write the examples; on the long page also the exit codes, and where else options can be set."""
    examples = EXAMPLES.get(command.name or "", ())
    if examples:
        with formatter.section("Examples"):
            for what, line in examples:
                formatter.write(
                    f"{'':>{formatter.current_indent}}{line}\n{'':>{formatter.current_indent}}  {what}\n"
                )
    if SHORT in ctx.meta:
        formatter.write_paragraph()
        formatter.write_text(f"All options, exit codes and configuration: {ctx.command_path} --help")
        return
    with formatter.section("Exit codes"):
        formatter.write_dl(list(EXIT_CODES))
    formatter.write_paragraph()
    formatter.write_text(ELSEWHERE)
