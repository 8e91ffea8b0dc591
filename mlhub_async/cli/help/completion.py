"""Completion scripts of shells, by click's shell completion."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

PROGRAM = "mlhub-async"
VARIABLE = "_MLHUB_ASYNC_COMPLETE"
"""Tells the program to print completions; click's rule for the name."""


def script(shell: str) -> str:
    """The script of "bash", "zsh" or "fish". Raises click's `UsageError` for another shell."""
    completion = get_completion_class(shell)
    if completion is None:
        raise click.UsageError(f"there is no completion for {shell}")
    names = completion(click.Group(), {}, PROGRAM, VARIABLE)
    return names.source_template % names.source_vars()
