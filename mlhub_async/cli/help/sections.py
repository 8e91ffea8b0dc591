"""Declares click options in sections of the help, each with its field in `Options` and its default; -h."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import click

from ...core.options import CHOICES, Options

OTHER_SECTION = "Other"
SHORT = "mlhub_async.short_help"
"""In the context while the short page is written."""


class Option(click.Option):
    """An option that names the section of the help text it is listed in."""

    def __init__(self, *names: Any, section: str = OTHER_SECTION, **attributes: Any) -> None:
        super().__init__(*names, **attributes)
        self.section = section

    @property
    def shown(self) -> str:
        """The one long spelling that help, messages and completion show; the others are aliases."""
        return next((name for name in self.opts if name.startswith("--")), self.opts[0])

    @property
    def spellings(self) -> list[str]:
        """The short name, the long one that is shown, and its negation."""
        short = [name for name in self.opts if not name.startswith("--")][:1]
        return list(dict.fromkeys([*short, self.shown, *self.secondary_opts[:1]]))

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        every = self.opts
        self.opts = [name for name in every if name in self.spellings]
        try:
            return super().get_help_record(ctx)
        finally:
            self.opts = every


def short_help_option() -> Option:
    """The option -h."""
    return Option(
        ["-h", "short_help"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_print_short,
        help="Show the usual options and exit.",
    )


def _print_short(ctx: click.Context, option: click.Parameter, given: bool) -> None:
    if given and not ctx.resilient_parsing:
        ctx.meta[SHORT] = True
        click.echo(ctx.get_help(), color=ctx.color)
        ctx.exit()


Declaration = Callable[..., Option]
"""Makes the option; takes the section of the help text as `section`."""


class Section(NamedTuple):
    """A section of the help text with its options, in the order in which they are shown."""

    title: str
    options: Sequence[Declaration]

    def make(self) -> list[Option]:
        """The options, for one command."""
        return [declare(section=self.title) for declare in self.options]


def default_of(field: str) -> Any:
    """The value that `Options` has in a field when nothing is given."""
    value: Any = Options()
    for part in field.split("__"):
        value = getattr(value, part)
    return value


def option(*names: str, **attributes: Any) -> Declaration:
    return partial(Option, names, **attributes)


def single(
    names: str, field: str, metavar: str | None, text: str, kind: Any = None, *, shown: str | None = None
) -> Declaration:
    """An option with one value; `shown` is how the help names the default, if not by its value."""
    default = shown or default_of(field)
    if default is not None:
        text += f"  [default: {default:g}]" if isinstance(default, float) else f"  [default: {default}]"
    return option(*names.split(), field, metavar=metavar, help=text, type=kind)


def repeatable(names: str, field: str, metavar: str, text: str, kind: Any = None) -> Declaration:
    return option(
        *names.split(), field, metavar=metavar, help=f"{text} (repeatable)", type=kind, multiple=True
    )


def flag(names: str, field: str, text: str) -> Declaration:
    return option(names, field, is_flag=True, default=None, help=text)


def choice(names: str, field: str, text: str, choices: Sequence[str] = ()) -> Declaration:
    kind = click.Choice(choices or CHOICES[field], case_sensitive=False)
    return single(names, field, None, text, kind)
