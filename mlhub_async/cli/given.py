"""From the words of a command line to `Options`, without a word about which options there are."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar

import click

from ..core.options import Options
from .options import Declaration

C = TypeVar("C", bound=Callable[..., Any])

_DEST = ("-o", "--output-dir")

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?,?", re.IGNORECASE)


def declared(*groups: Iterable[Declaration]) -> Callable[[C], C]:
    """A decorator that gives a command all options of these groups, in their order."""

    def decorate(command: C) -> C:
        for option in reversed([option for group in groups for option in group]):
            option(command)
        return command

    return decorate


def to_options(given: dict[str, Any]) -> Options:
    """`Options` with what was given on the command line in place of its defaults."""
    found = {name: value for name, value in given.items() if value not in (None, ())}
    if {"selection__bbox", "selection__intersects"} <= found.keys():
        raise click.UsageError("--bbox and --intersects are two answers to one question: give one")
    if "selection__query" in found:
        found["selection__query"] = _merged(found["selection__query"])
    plain = Options()
    return replace(
        plain,
        selection=replace(plain.selection, **_part("selection__", found)),
        retry=replace(plain.retry, **_part("retry__", found)),
        **{name: value for name, value in found.items() if "__" not in name},
    )


def exclusive(what: str, *given: str | None) -> str | None:
    """The one that was given, if any: several may only say the same."""
    meant = {one for one in given if one is not None}
    if len(meant) > 1:
        raise click.UsageError(f"{what} is given in two ways that differ: {', '.join(sorted(meant))}")
    return meant.pop() if meant else None


def _part(prefix: str, found: dict[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in found.items() if name.startswith(prefix)}


def _merged(queries: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """All conditions together: several on one property are all meant."""
    merged: dict[str, Any] = {}
    for query in queries:
        for name, tests in query.items():
            merged[name] = {**merged.get(name, {}), **tests}
    return merged


def join_bbox(args: list[str]) -> list[str]:
    """`--bbox W S E N` as one word, for four or six numbers: click knows only a fixed number of words."""
    if "--bbox" not in args:
        return args
    at = args.index("--bbox") + 1
    end = at
    while end < len(args) and end - at < 6 and _NUMBER.fullmatch(args[end]):
        end += 1
    if end - at < 4:
        return args
    end = at + (6 if end - at == 6 else 4)
    return [*args[: at - 1], "--bbox=" + " ".join(args[at:end]), *args[end:]]


def repeat(args: list[str], command: click.Command) -> list[str]:
    """`--ids A B` as `--ids A --ids B`, as stac-client takes it, where B can be nothing else.

    That is where all arguments stand elsewhere: in `mirror SOURCE -c A B` B stays DEST.
    """
    options = [one for one in command.params if isinstance(one, click.Option)]
    takes = {name: one for one in options if not (one.is_flag or one.count) for name in one.opts}
    room = sum(isinstance(one, click.Argument) for one in command.params) - any(o in args for o in _DEST)
    found: list[str] = []
    plain, again = 0, ""
    words = iter(args)
    for word in words:
        if word == "--":
            return args
        if word in takes:
            found += [word, *itertools.islice(words, 1)]
            again = word if takes[word].multiple else ""
        elif again and not _is_option(word):
            found += [again, word]
        else:
            found.append(word)
            again = ""
            plain += not _is_option(word)
    return found if plain == room else args


def _is_option(word: str) -> bool:
    return word.startswith("-") and word != "-"
