"""Writes the manual page mlhub-async(1), from the declarations that also make the help.

`python -m mlhub_async.cli.help.manual > docs/mlhub-async.1`
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

from ... import __version__
from ...storage.layout import ERRORS_FILE, RECEIPT_FILE, STATE_DIR
from .. import main_group
from .sections import OTHER_SECTION, Option
from .texts import ELSEWHERE, EXAMPLES, EXIT_CODES

_FILES = (
    ("~/.config/mlhub-async/config.toml", "the user's options; elsewhere on macOS and Windows"),
    ("./mlhub.toml", "options for the current directory"),
    ("~/.mlhub/profiles", "MLHub API keys, as the official client has them"),
    (f"DEST/{STATE_DIR}/{RECEIPT_FILE}", "what the last run has copied, and how it was verified"),
    (f"DEST/{STATE_DIR}/{ERRORS_FILE}", "one line for each asset that is not there, with the reason"),
)


def manual_page() -> str:
    """The page in the man macros of roff (man(7))."""
    context = click.Context(main_group, info_name="mlhub-async")
    lines = [
        f'.TH MLHUB\\-ASYNC 1 "" "mlhub\\-async {__version__}" "User Commands"',
        ".SH NAME",
        "mlhub\\-async \\- mirror Earth observation training data: whole, provably, fast",
        ".SH SYNOPSIS",
        ".B mlhub\\-async",
        ".I COMMAND",
        "[OPTIONS] ARGUMENTS",
        ".SH DESCRIPTION",
        *_paragraphs(main_group.help or ""),
        ".SH COMMANDS",
        *(line for name in main_group.commands for line in _command(context, name)),
        ".SH OPTIONS",
        *_options(context),
        ".SH EXIT STATUS",
        *(line for code, meaning in EXIT_CODES for line in _tagged(code, meaning)),
        ".SH ENVIRONMENT",
        _escaped(ELSEWHERE),
        ".SH FILES",
        *(line for path, what in _FILES for line in _tagged(path, what)),
        ".SH EXAMPLES",
        *(
            line
            for examples in EXAMPLES.values()
            for what, words in examples
            for line in _tagged(words, what)
        ),
        ".SH SEE ALSO",
        ".BR curl (1),",
        ".BR sha256sum (1)",
    ]
    return "\n".join(lines) + "\n"


def _command(context: click.Context, name: str) -> Iterator[str]:
    command = main_group.commands[name]
    inner = click.Context(command, parent=context, info_name=name)
    words = " ".join(word for word in command.collect_usage_pieces(inner) if word != "[OPTIONS]")
    yield from (f".SS {_escaped(f'{name} {words}'.strip())}", *_paragraphs(command.help or ""))
    titles = dict.fromkeys(one.section for one in command.params if isinstance(one, Option))
    if titles:
        yield from (".PP", _escaped(f"Options: {', '.join(titles)}."))


def _options(context: click.Context) -> Iterator[str]:
    """Each option once, by section, with the commands where not all that have the section have the option."""
    sections: dict[str, dict[str, tuple[str, str]]] = {}
    for name, command in main_group.commands.items():
        inner = click.Context(command, parent=context, info_name=name)
        for one in command.params:
            if isinstance(one, Option) and one.section != OTHER_SECTION:
                row = one.get_help_record(inner)
                if row is not None:
                    sections.setdefault(one.section, {}).setdefault(row[0], row)
    for title, rows in sections.items():
        yield f".SS {_escaped(title)}"
        for names, text in rows.values():
            yield from _tagged(names, text)


def _tagged(tag: str, text: str) -> tuple[str, ...]:
    return (".TP", f".B {_escaped(tag)}", _escaped(" ".join(text.split())))


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in text.strip().split("\n\n"):
        yield from (".PP", _escaped(" ".join(paragraph.split())))


def _escaped(text: str) -> str:
    """Text as roff prints it: no escapes, no requests, hyphens that can be copied."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text.startswith((".", "'")) else text


if __name__ == "__main__":
    sys.stdout.write(manual_page())
