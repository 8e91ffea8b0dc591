"""A picture that says in words why there is no other."""

from __future__ import annotations

import textwrap
from html import escape

from ....core.urls import term_safe

LINE_CHARS = 30
MAX_LINES = 8


def notice(text: str, size: int) -> bytes:
    """An SVG with this text, `size` pixels wide."""
    lines = textwrap.wrap(term_safe(text, LINE_CHARS * MAX_LINES), LINE_CHARS)[:MAX_LINES]
    spans = "".join(
        f'<tspan x="50%" y="{50 + 8 * (number - (len(lines) - 1) / 2):.1f}%">{escape(line)}</tspan>'
        for number, line in enumerate(lines)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size}" height="{size}" viewBox="0 0 240 240">'
        '<rect width="240" height="240" fill="#eceff1"/>'
        '<text font-family="sans-serif" font-size="14" text-anchor="middle" fill="#37474f">'
        f"{spans}</text></svg>"
    ).encode()
