"""Runs the engine in the loop of the test, as a Python program would: nothing waits between tries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlhub_async import Options, Report, RetryPolicy, Selection, mirror

AT_ONCE = RetryPolicy(attempts=3, base=0)
USUAL: dict[str, Any] = {}
"""What `pytest --transport` asks of every run that does not say otherwise."""


def chosen(selection: Selection | None = None, **options: Any) -> Options:
    return Options(selection or Selection(), **{**USUAL, **options})


async def run(source: Any, dest: Path, *collections: str, **options: Any) -> Report:
    """Mirror with these options; `collections` are what is selected of SOURCE."""
    usual = {"retry": AT_ONCE, "allow_private": True, **options}
    return await mirror(source, dest, chosen(Selection(collections=collections), **usual))
