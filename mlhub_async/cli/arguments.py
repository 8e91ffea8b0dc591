"""Rewrites the words of a command line into a form that click parses: `--bbox W S E N`, `--ids A B`."""

from __future__ import annotations

import itertools
import re

import click

_DEST_OPTIONS = ("-o", "--output-dir")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?,?", re.IGNORECASE)


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
    """`--ids A B` as `--ids A --ids B`, as stac-client accepts it, where B cannot be a positional argument.

    That is the case if all positional arguments are given elsewhere: in `mirror SOURCE -c A B`, B is DEST.
    """
    options = [one for one in command.params if isinstance(one, click.Option)]
    with_value = {name: one for one in options if not (one.is_flag or one.count) for name in one.opts}
    expected = sum(isinstance(one, click.Argument) for one in command.params)
    expected -= any(name in args for name in _DEST_OPTIONS)
    rewritten: list[str] = []
    positional, repeated = 0, ""
    words = iter(args)
    for word in words:
        if word == "--":
            return args
        if word in with_value:
            rewritten += [word, *itertools.islice(words, 1)]
            repeated = word if with_value[word].multiple else ""
        elif repeated and not _is_option(word):
            rewritten += [repeated, word]
        else:
            rewritten.append(word)
            repeated = ""
            positional += not _is_option(word)
    return rewritten if positional == expected else args


def _is_option(word: str) -> bool:
    return word.startswith("-") and word != "-"
