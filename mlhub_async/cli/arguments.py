"""Rewrites the words of a command line into a form that click parses: `--bbox W S E N`, `--ids A B`."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable

import click

from ..core import pattern_on_use

_DEST_OPTIONS = ("-o", "--output-dir")
_NUMBER = pattern_on_use(r"[+-]?(\d+(?:\.\d*)?|\.\d+)(e[+-]?\d+)?,?", re.IGNORECASE)


def join_bbox(args: list[str]) -> list[str]:
    """`--bbox W S E N` as one word, for four or six numbers: a click option has a fixed number of words."""
    if "--bbox" not in args:
        return args
    start = args.index("--bbox") + 1
    end = start
    while end < len(args) and end - start < 6 and _NUMBER.fullmatch(args[end]):
        end += 1
    if end - start < 4:
        return args
    end = start + (6 if end - start == 6 else 4)
    return [*args[: start - 1], "--bbox=" + " ".join(args[start:end]), *args[end:]]


def repeat_option_names(args: list[str], command: click.Command) -> list[str]:
    """`--ids A B` as `--ids A --ids B`, as stac-client accepts it, where B is no positional argument.

    1. All positional arguments are given elsewhere: B is a value.
    2. Otherwise B is a value unless it looks like a path: in `mirror SOURCE --ids A B` DEST is missing, in
       `mirror SOURCE --ids A ./B` it is there. So -i A B means the same to a command without DEST.
    3. Not where a required argument would be missing then: in `plan -c A B`, B is SOURCE.
    """
    if "--" in args:
        return args
    arguments = [one for one in command.params if isinstance(one, click.Argument)]
    has_dest = any(name in args for name in _DEST_OPTIONS)
    rewritten, positional = _repeated(args, command, lambda word: True)
    if positional == len(arguments) - has_dest:
        return rewritten
    rewritten, positional = _repeated(args, command, lambda word: not _is_path(word))
    return rewritten if positional >= sum(one.required for one in arguments) else args


def _repeated(
    args: list[str], command: click.Command, is_value: Callable[[str], bool]
) -> tuple[list[str], int]:
    """The words with the name of a repeatable option before each further value, and the number of the others.

    `is_value` is asked of each word behind such a value.
    """
    options = [one for one in command.params if isinstance(one, click.Option)]
    with_value = {name: one for one in options if not (one.is_flag or one.count) for name in one.opts}
    rewritten: list[str] = []
    positional, repeated = 0, ""
    words = iter(args)
    for word in words:
        if word in with_value:
            rewritten += [word, *itertools.islice(words, 1)]
            repeated = word if with_value[word].multiple else ""
        elif repeated and not _is_option(word) and is_value(word):
            rewritten += [repeated, word]
        else:
            rewritten.append(word)
            repeated = ""
            positional += not _is_option(word)
    return rewritten, positional


def _is_option(word: str) -> bool:
    return word.startswith("-") and word != "-"


def _is_path(word: str) -> bool:
    return word in (".", "..", "-") or not {"/", os.sep}.isdisjoint(word)
