"""Names and values as a small HTML table, for notebooks. Every string in it is escaped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from ...core.urls import term_safe

MAX_CHARS = 300


def html_table(caption: str, rows: Iterable[tuple[str, str]]) -> str:
    """The table: no script, no style sheet, no reference to anything outside of it."""
    shown = "".join(f"<tr><th>{_text(name)}</th><td>{_text(value)}</td></tr>" for name, value in rows)
    return f"<table><caption>{_text(caption)}</caption>{shown}</table>"


def _text(value: str) -> str:
    return escape(term_safe(value, MAX_CHARS))
