"""A hook of MkDocs: pages of the site that are made from the code, and links to files of the repository.

`help.md` has the help of every command, `api.md` names the public objects for mkdocstrings.
"""

from __future__ import annotations

import re
from typing import Any

import click
from mkdocs.structure.files import File, Files

import mlhub_async
from mlhub_async.cli import main_group
from mlhub_async.cli.app import SETTINGS
from mlhub_async.core import errors

OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./([^)#]+)(?:#[^)]*)?\)")
CLASSES = ("Options", "Selection", "RetryPolicy", "Report", "Client", "Meter", "Asset")
CALLS = ("mirror", "mirrored", "diff", "verify", "assets")


def on_files(files: Files, config: Any) -> Files:
    files.append(File.generated(config, "help.md", content=help_page()))
    files.append(File.generated(config, "api.md", content=api_page()))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Files of the repository are not on the site: they are named, not linked."""
    return OUTSIDE.sub(r"\1 (`\2` in the repository)", markdown)


def help_page() -> str:
    program = click.Context(main_group, info_name="mlhub-async", **SETTINGS)
    parts = ["# Help of every command\n\nAs `--help` prints it.\n"]
    for name, command in main_group.commands.items():
        context = click.Context(command, info_name=name, parent=program, **SETTINGS)
        parts.append(f"\n## {name}\n\n```text\n{command.get_help(context)}\n```\n")
    return "".join(parts)


def api_page() -> str:
    raised = [name for name in mlhub_async.__all__ if name in vars(errors)]
    parts = ["# Python reference\n\nFrom the docstrings; [python-api.md](python-api.md) explains them.\n"]
    for heading, names in (("Calls", CALLS), ("Classes", CLASSES), ("Errors", raised)):
        parts.append(f"\n## {heading}\n")
        parts += [f"\n::: mlhub_async.{name}\n" for name in names]
    parts.append("\n## Without await\n\n::: mlhub_async.api.blocking\n")
    return "".join(parts)
