"""Declares click options in sections of the help, each with its field in `Options` and its default."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import click

from ..core.options import CHOICES, Options
from .app import Option

Declaration = Callable[..., Option]
"""Makes the option; takes the section of the help text as `section`."""


@dataclass(frozen=True, slots=True)
class Section:
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
