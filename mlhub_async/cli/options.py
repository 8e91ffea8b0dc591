"""Every option of the command line, declared once; its parameter name is its field in `Options`.

`selection__bbox` is `Options.selection.bbox`, `retry__attempts` is `Options.retry.attempts`. What is
not given stays out, so that defaults live there alone.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import click

from .. import stac
from ..core.options import CHOICES, Options
from . import parsing
from .parsing import Value

Declaration = Callable[[Callable[..., Any]], Callable[..., Any]]

BBOX = Value("bbox", parsing.bbox)
GEOMETRY = Value("geojson", parsing.geometry)
INTERVAL = Value("datetime", stac.datetime_for_server)
QUERY = Value("query", parsing.query)
CQL2 = Value("cql2", parsing.cql2)
SIZE = Value("size", parsing.size)
LIMIT = Value("size", parsing.positive(parsing.size))
RATE = Value("n", parsing.positive(parsing.rate))
SECONDS = Value("seconds", parsing.positive(parsing.seconds))
PAUSE = Value("seconds", parsing.seconds)
SHARE = Value("share", parsing.share)
COUNT = Value("n", parsing.count)
SOME = Value("n", parsing.positive(parsing.count))
SPLIT = Value("n", parsing.positive(parsing.split))
PARTS = Value("n|auto|off", parsing.parts)
WORKERS = Value("n|auto", parsing.auto_or_count)
ATTEMPTS = Value("n", parsing.attempts)
ORIGIN = Value("origin", parsing.origin)
SECRET = Value("secret", parsing.secret)
HEADER = Value("header", parsing.header)
TEMPLATE = Value("template", parsing.template)
PEM = click.Path(exists=True, dir_okay=False)

C = TypeVar("C", bound=Callable[..., Any])

_DEST = ("-o", "--output-dir")

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?,?", re.IGNORECASE)


def default_of(field: str) -> Any:
    """What `Options` has in a field when nothing is given."""
    value: Any = Options()
    for part in field.split("__"):
        value = getattr(value, part)
    return value


def _one(
    names: str, field: str, metavar: str | None, text: str, kind: Any = None, *, shown: str | None = None
) -> Declaration:
    default = shown or default_of(field)
    if default is not None:
        text += f"  [default: {default:g}]" if isinstance(default, float) else f"  [default: {default}]"
    return click.option(*names.split(), field, metavar=metavar, help=text, type=kind)


def _many(names: str, field: str, metavar: str, text: str, kind: Any = None) -> Declaration:
    return click.option(
        *names.split(), field, metavar=metavar, help=f"{text} (repeatable)", type=kind, multiple=True
    )


def _flag(names: str, field: str, text: str) -> Declaration:
    return click.option(names, field, is_flag=True, default=None, help=text)


def _choice(names: str, field: str, text: str, choices: Sequence[str] = ()) -> Declaration:
    kind = click.Choice(choices or CHOICES[field], case_sensitive=False)
    return _one(names, field, None, text, kind)


SELECTION: list[Declaration] = [
    _many("-c --collection --collections", "selection__collections", "ID", "Only this collection."),
    _one("--dataset", "selection__dataset", "ID", "All collections of this MLHub dataset."),
    _many("--ids --id", "selection__ids", "ID", "Only this item."),
    _one("--bbox", "selection__bbox", "W S E N", "Only items that touch this box, in degrees.", BBOX),
    _one(
        "--intersects",
        "selection__intersects",
        "GEOJSON|@FILE",
        "Only items that touch this shape.",
        GEOMETRY,
    ),
    _one("--datetime", "selection__datetime", "A/B", "Only items from A to B; '..' is open.", INTERVAL),
    _many("--query", "selection__query", "JSON|COND", "Only items with e.g. 'eo:cloud_cover<10'.", QUERY),
    _one("--filter", "selection__filter", "CQL2|@FILE", "Only items that match this filter.", CQL2),
    _one("--limit", "selection__limit", "N", "Items per page that a server is asked for.", SOME),
    _one("--split", "selection__split", "N", "List a search by time in so many parts at once.", SPLIT),
    _one("--max-items", "selection__max_items", "N", "No more than so many items.", SOME),
    _choice("--method", "selection__method", "How to search a STAC API.", ("GET", "POST")),
    _many("-i --include", "selection__include", "GLOB", "Only assets whose key matches."),
    _many("-x --exclude", "selection__exclude", "GLOB", "No assets whose key matches; wins over -i."),
    _many("--role --roles", "selection__roles", "ROLE", "Only assets with this role."),
    _many("--media-type", "selection__media_types", "TYPE", "Only assets of this media type."),
    _one("--min-size", "selection__min_size", "SIZE", "No smaller assets, by their file:size.", SIZE),
    _one("--max-size", "selection__max_size", "SIZE", "No larger assets, by their file:size.", SIZE),
    _many("--class", "selection__classes", "NAME", "Only label items with any of these classes."),
    click.option(
        "--follow-sources/--no-follow-sources",
        "selection__follow_sources",
        default=None,
        help="Also take the source imagery that label items link to.  [default: follow]",
    ),
]

NETWORK: list[Declaration] = [
    _one(
        "-j --concurrency --jobs --max-concurrent-downloads --max-workers",
        "concurrency",
        "N|auto",
        "Transfers at a time.",
        WORKERS,
        shown="auto",
    ),
    _one("--max-per-host", "max_per_host", "N", "Transfers at a time from one host.", SOME),
    _one("--bwlimit --limit-rate", "bwlimit", "SIZE", "Bytes per second in all: 10M is 10 MiB.", LIMIT),
    _one("--tpslimit", "tpslimit", "N", "Requests per second in all.", RATE),
    _one(
        "-R --retries",
        "retry__attempts",
        "N|infinite",
        "Retries in a row that bring nothing.",
        ATTEMPTS,
        shown=str(default_of("retry__attempts") - 1),
    ),
    _one("--connect-timeout", "connect_timeout", "S", "Longest wait for a connection.", SECONDS),
    _one("--timeout", "timeout", "S", "Longest wait for the next byte; never the total.", SECONDS),
    _one("--max-outage", "max_outage", "S", "Longest wait for a host that went away.", SECONDS),
    _one("--min-speed", "min_speed", "SIZE", "Bytes per second below which we reconnect.", SIZE),
    _one(
        "--parts --max-splits",
        "parts",
        "N|auto|off",
        "Streams that may bring one large file together.",
        PARTS,
        shown="auto",
    ),
    _flag("--allow-private", "allow_private", "Let remote catalogues lead to private addresses."),
    _many("--allow-origin", "allow_origins", "ORIGIN", "Let catalogue links lead here too.", ORIGIN),
    _one("--ca-file", "ca_file", "PEM", "Certificates to trust, instead of the system's.", PEM),
    _choice("--transport", "transport", "What moves the bytes; a proxy needs aiohttp."),
    _one("--proxy", "proxy", "URL|@FILE", "Ask through http://[user:password@]host:port.", SECRET),
    _flag("--netrc", "netrc", "Take logins from ~/.netrc (or NETRC), each for its own host."),
    _one("--api-key", "api_key", "KEY|@FILE", "MLHub key; others can see it, a profile is better.", SECRET),
    _one("--api-token", "api_token", "TOKEN|@FILE", "Bearer token, the older form of a key.", SECRET),
    _one("--profile", "profile", "NAME", "The profile (see configure) that holds the key."),
    _many("-H --header", "headers", "'K: V'", "Sent to the origin of SOURCE only.", HEADER),
]

COPY: list[Declaration] = [
    _choice("--if-exists", "if_exists", "If files are there already."),
    _choice("--verify", "verify", "How much proof a file needs."),
    _choice("--durability", "durability", "Survive a killed process, or power cuts too."),
    _choice("--on-full", "on_full", "On a full disk stop with exit 7, or wait for room."),
    _one(
        "-p --path-template",
        "path_template",
        "TEMPLATE",
        "Where a file goes; also ${filename} ${datetime} ${year} ${month} ${day}.",
        TEMPLATE,
    ),
    _choice("--asset-hrefs", "asset_hrefs", "How the written catalogue links files."),
    _flag("--fail-fast", "fail_fast", "Stop at the first failure."),
    _one("--max-errors", "max_errors", "N", "Stop after more failures than this.", COUNT),
    _one("--max-transfer", "max_transfer", "SIZE", "Stop after so many bytes of assets; exit 8.", LIMIT),
    _one("--max-duration", "max_duration", "S", "Stop after so long; exit 8.", SECONDS),
]

PRUNE: list[Declaration] = [
    _flag("--prune", "prune", "Remove what has left the catalogue since; -n tells what that is."),
    _one(
        "--max-delete",
        "max_delete",
        "N",
        "Prune no more assets than this, or nothing.",
        COUNT,
        shown="a tenth, or 10",
    ),
]

SAMPLE: list[Declaration] = [
    click.option("--items", type=SOME, metavar="N", help="Label items in the sample."),
    click.option("--dates", type=SOME, metavar="N", help="Source images per label item."),
    click.option("--latency", type=PAUSE, metavar="S", help="Wait before every answer."),
    click.option("--errors", type=SHARE, metavar="SHARE", help="Share of requests to spoil, 0 to 1."),
]


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
