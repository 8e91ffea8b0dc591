"""The Jinja2 environment of all pages. Every text in a page is escaped, and characters that act unseen are
made visible: ids and titles are those of a catalogue, which may be hostile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from ...core.telemetry import human_size
from ...core.urls import escape_controls

if TYPE_CHECKING:
    from jinja2 import Environment, Template

MAX_TEXT_CHARS = 300


WORDS = {True: "yes", False: "no", None: "none"}


def template(name: str) -> Template:
    """A template of `pages/templates`. What it is filled with is escaped."""
    return environment().get_template(name)


@cache
def environment() -> Environment:
    """The environment, made when the first page is: jinja2 is imported only then."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(size=human_size, number=_number, time=_time, duration=_duration, plain=plain)
    return made


def _visible(value: Any) -> Any:
    """Text without characters that act unseen: changes of direction, controls, halves of characters."""
    return escape_controls(str(value)) if type(value) is str or isinstance(value, PurePath) else value


def _number(value: float) -> str:
    """A number with spaces between thousands; fractions are left out."""
    return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def _time(moment: datetime | None) -> str:
    return "unknown" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
    )


def plain(value: Any, limit: int = MAX_TEXT_CHARS) -> str:
    """A value of a JSON document in words, at most `limit` characters of it."""
    if isinstance(value, str):
        text = value
    elif isinstance(value, Mapping):
        text = "; ".join(f"{name}: {plain(one)}" for name, one in value.items())
    elif isinstance(value, Sequence):
        text = ", ".join(plain(one) for one in value)
    else:
        text = WORDS[value] if value is None or isinstance(value, bool) else str(value)  # 0 equals False
    return text if len(text) <= limit else text[: limit - 1] + "…"
