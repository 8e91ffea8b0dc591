"""Every option of the command line, declared once; its parameter name is its field in `Options`.

`selection__bbox` is `Options.selection.bbox`, `retry__attempts` is `Options.retry.attempts`. An option that
is not given is left out, so that the defaults are defined in `Options` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import click

from .. import stac
from ..core.options import CHOICES, Options
from . import parsing
from .parsing import Value

OTHER_SECTION = "Other"

BBOX = Value("bbox", parsing.bbox)
GEOMETRY = Value("geojson", parsing.geometry)
INTERVAL = Value("datetime", stac.interval_for_server)
QUERY = Value("query", parsing.query)
CQL2 = Value("cql2", parsing.cql2)
SIZE = Value("size", parsing.size)
POSITIVE_SIZE = Value("size", parsing.positive(parsing.size))
POSITIVE_NUMBER = Value("n", parsing.positive(parsing.number))
SECONDS = Value("seconds", parsing.seconds)
POSITIVE_SECONDS = Value("seconds", parsing.positive(parsing.seconds))
FRACTION = Value("fraction", parsing.fraction)
COUNT = Value("n", parsing.count)
POSITIVE_COUNT = Value("n", parsing.positive(parsing.count))
SLICES = Value("n", parsing.positive(parsing.slices))
SEGMENTS = Value("n|auto|off", parsing.segments)
CONCURRENCY = Value("n|auto", parsing.auto_or_count)
ATTEMPTS = Value("n", parsing.attempts)
ORIGIN = Value("origin", parsing.origin)
SECRET = Value("secret", parsing.secret)
HEADER = Value("header", parsing.header)
TEMPLATE = Value("template", parsing.template)
PEM_FILE = click.Path(exists=True, dir_okay=False)

C = TypeVar("C", bound=Callable[..., Any])


class Option(click.Option):
    """An option that names the section of the help text it is listed in."""

    def __init__(self, *names: Any, section: str = OTHER_SECTION, **attributes: Any) -> None:
        super().__init__(*names, **attributes)
        self.section = section


Declaration = Callable[..., Callable[[Any], Any]]
"""Makes a click decorator; takes the section of the help text as `section`."""


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the help text with its options, in the order in which they are shown."""

    title: str
    options: Sequence[Declaration]


def add_options(*sections: Section) -> Callable[[C], C]:
    """A decorator that gives a command all options of these sections, in their order."""

    def decorate(command: C) -> C:
        for section in reversed(sections):
            for declare in reversed(section.options):
                declare(section=section.title)(command)
        return command

    return decorate


def default_of(field: str) -> Any:
    """The value that `Options` has in a field when nothing is given."""
    value: Any = Options()
    for part in field.split("__"):
        value = getattr(value, part)
    return value


def _option(*names: str, **attributes: Any) -> Declaration:
    return partial(click.option, *names, cls=Option, **attributes)


def _single(
    names: str, field: str, metavar: str | None, text: str, kind: Any = None, *, shown: str | None = None
) -> Declaration:
    """An option with one value; `shown` is how the help names the default, if not by its value."""
    default = shown or default_of(field)
    if default is not None:
        text += f"  [default: {default:g}]" if isinstance(default, float) else f"  [default: {default}]"
    return _option(*names.split(), field, metavar=metavar, help=text, type=kind)


def _repeatable(names: str, field: str, metavar: str, text: str, kind: Any = None) -> Declaration:
    return _option(
        *names.split(), field, metavar=metavar, help=f"{text} (repeatable)", type=kind, multiple=True
    )


def _flag(names: str, field: str, text: str) -> Declaration:
    return _option(names, field, is_flag=True, default=None, help=text)


def _choice(names: str, field: str, text: str, choices: Sequence[str] = ()) -> Declaration:
    kind = click.Choice(choices or CHOICES[field], case_sensitive=False)
    return _single(names, field, None, text, kind)


SELECTION = Section(
    "Selection",
    [
        _repeatable("-c --collection --collections", "selection__collections", "ID", "Only this collection."),
        _single("--dataset", "selection__dataset", "ID", "All collections of this MLHub dataset."),
        _repeatable("--ids --id", "selection__ids", "ID", "Only this item."),
        _single("--bbox", "selection__bbox", "W S E N", "Only items that intersect this box.", BBOX),
        _single(
            "--intersects",
            "selection__intersects",
            "GEOJSON|@FILE",
            "Only items that intersect this geometry.",
            GEOMETRY,
        ),
        _single(
            "--datetime",
            "selection__datetime",
            "A/B",
            "Only items from A to B; '..' leaves an end open.",
            INTERVAL,
        ),
        _repeatable(
            "--query",
            "selection__query",
            "JSON|COND",
            "Only items with this property, e.g. 'eo:cloud_cover<10'.",
            QUERY,
        ),
        _single("--filter", "selection__filter", "CQL2|@FILE", "Only items that match this filter.", CQL2),
        _single("--max-items", "selection__max_items", "N", "At most N items.", POSITIVE_COUNT),
        _repeatable("-i --include", "selection__include", "GLOB", "Only assets whose key matches."),
        _repeatable(
            "-x --exclude", "selection__exclude", "GLOB", "No assets whose key matches; wins over -i."
        ),
        _repeatable("--role --roles", "selection__roles", "ROLE", "Only assets with this role."),
        _repeatable("--media-type", "selection__media_types", "TYPE", "Only assets of this media type."),
        _single("--min-size", "selection__min_size", "SIZE", "No assets whose file:size is smaller.", SIZE),
        _single("--max-size", "selection__max_size", "SIZE", "No assets whose file:size is larger.", SIZE),
        _repeatable("--class", "selection__classes", "NAME", "Only label items with this class."),
        _option(
            "--follow-sources/--no-follow-sources",
            "selection__follow_sources",
            default=None,
            help="Also mirror the source imagery that label items link to.  [default: follow-sources]",
        ),
        _single("--limit", "selection__limit", "N", "Items per page to request of an API.", POSITIVE_COUNT),
        _single("--split", "selection__split", "N", "List a search in N time slices in parallel.", SLICES),
        _choice("--method", "selection__method", "HTTP method for STAC API searches.", ("GET", "POST")),
    ],
)

TRANSFER = Section(
    "Transfer",
    [
        _single(
            "-j --concurrency --jobs --max-concurrent-downloads --max-workers",
            "concurrency",
            "N|auto",
            "Transfers at a time.",
            CONCURRENCY,
            shown="auto",
        ),
        _single("--max-per-host", "max_per_host", "N", "Transfers at a time from one host.", POSITIVE_COUNT),
        _single(
            "--parts --max-splits",
            "parts",
            "N|auto|off",
            "Parallel range requests for one large file.",
            SEGMENTS,
            shown="auto",
        ),
        _single(
            "--bwlimit --limit-rate",
            "bwlimit",
            "SIZE",
            "Bytes per second, all transfers together; 10M is 10 MiB.",
            POSITIVE_SIZE,
        ),
        _single("--tpslimit", "tpslimit", "N", "Requests per second, all hosts together.", POSITIVE_NUMBER),
        _single(
            "-R --retries",
            "retry__attempts",
            "N|infinite",
            "Retries in a row without progress.",
            ATTEMPTS,
            shown=str(default_of("retry__attempts") - 1),
        ),
        _single(
            "--connect-timeout", "connect_timeout", "S", "Longest wait for a connection.", POSITIVE_SECONDS
        ),
        _single(
            "--timeout",
            "timeout",
            "S",
            "Longest wait for the next byte, not for the whole.",
            POSITIVE_SECONDS,
        ),
        _single("--min-speed", "min_speed", "SIZE", "Reconnect below so many bytes per second.", SIZE),
        _single("--max-outage", "max_outage", "S", "Longest wait for a host that is down.", POSITIVE_SECONDS),
    ],
)

NETWORK = Section(
    "Network",
    [
        _choice("--transport", "transport", "HTTP implementation; --proxy needs aiohttp."),
        _single("--proxy", "proxy", "URL|@FILE", "Use the proxy http://[user:password@]host:port.", SECRET),
        _single("--ca-file", "ca_file", "PEM", "Certificates to trust, instead of the system's.", PEM_FILE),
        _flag("--allow-private", "allow_private", "Let a remote catalogue refer to private addresses."),
        _repeatable(
            "--allow-origin",
            "allow_origins",
            "ORIGIN",
            "Let catalogue links lead to this origin too.",
            ORIGIN,
        ),
    ],
)

CREDENTIALS = Section(
    "Credentials",
    [
        _single(
            "--api-key",
            "api_key",
            "KEY|@FILE",
            "MLHub API key. Other users can see the command line: prefer a profile.",
            SECRET,
        ),
        _single("--api-token", "api_token", "TOKEN|@FILE", "Bearer token, the older form of a key.", SECRET),
        _single("--profile", "profile", "NAME", "Profile with the key, as 'configure' writes it."),
        _repeatable("-H --header", "headers", "'K: V'", "Header for the origin of SOURCE only.", HEADER),
        _flag("--netrc", "netrc", "Use the logins in ~/.netrc (or $NETRC), each for its own host."),
    ],
)

FILES = Section(
    "Files",
    [
        _choice("--if-exists", "if_exists", "What to do with files that exist."),
        _choice("--verify", "verify", "Checks a file has to pass before it gets its final name."),
        _choice("--durability", "durability", "Survive a killed process, or a power cut too."),
        _choice("--on-full", "on_full", "On a full disk: stop with exit code 7, or wait for space."),
        _single(
            "-p --path-template",
            "path_template",
            "TEMPLATE",
            "Path of an asset; also ${filename} ${datetime} ${year} ${month} ${day}.",
            TEMPLATE,
        ),
        _choice("--asset-hrefs", "asset_hrefs", "Form of the hrefs in the written catalogue."),
    ],
)

LIMITS = Section(
    "Limits",
    [
        _flag("--fail-fast", "fail_fast", "Stop at the first asset that fails."),
        _single("--max-errors", "max_errors", "N", "Stop when more than N assets have failed.", COUNT),
        _single(
            "--max-transfer",
            "max_transfer",
            "SIZE",
            "Stop after so many bytes of assets; exit code 8.",
            POSITIVE_SIZE,
        ),
        _single("--max-duration", "max_duration", "S", "Stop after so long; exit code 8.", POSITIVE_SECONDS),
    ],
)

PRUNE = Section(
    "Prune",
    [
        _flag("--prune", "prune", "Remove what has left the catalogue; with -n only list it."),
        _single(
            "--max-delete",
            "max_delete",
            "N",
            "Remove nothing if more than N assets would go.",
            COUNT,
            shown="a tenth, or 10",
        ),
    ],
)

_SAVE = "the items that would be mirrored; .ndjson: one per line. The file is a valid SOURCE."

PLAN = Section("Plan", [_option("--save", metavar="FILE", help=f"Write {_SAVE}")])

DRY_RUN = Section(
    "Plan",
    [
        _option("-n", "--dry-run", is_flag=True, help="Fetch and remove nothing, as 'plan SOURCE'."),
        _option("--save", metavar="FILE", help=f"With -n: write {_SAVE}"),
    ],
)

DESTINATION = Section(
    "Files",
    [
        _option("-o", "--output-dir", "output_dir", metavar="DEST", help="DEST as an option."),
        _option("--overwrite", is_flag=True, help="The same as --if-exists overwrite."),
        _option("--skip-existing", is_flag=True, help="The same as --if-exists skip."),
    ],
)

VERIFICATION = Section(
    "Verification",
    [
        _option(
            "-j",
            "--concurrency",
            "--jobs",
            "workers",
            type=POSITIVE_COUNT,
            metavar="N",
            help="Files at a time.",
        ),
        _option(
            "--deep", is_flag=True, help="Also check the structure of TIFF, JPEG 2000, HDF5, ZIP, JSON ..."
        ),
    ],
)

SAMPLE = Section(
    "Sample catalogue",
    [
        _option("--items", type=POSITIVE_COUNT, metavar="N", help="Label items.  [default: 6]"),
        _option(
            "--dates", type=POSITIVE_COUNT, metavar="N", help="Source images per label item.  [default: 3]"
        ),
        _option("--latency", type=SECONDS, metavar="S", help="Delay of every response."),
        _option("--errors", type=FRACTION, metavar="FRACTION", help="Share of requests that fail, 0 to 1."),
    ],
)

PORT = Section(
    "Sample catalogue",
    [_option("--port", type=click.IntRange(0, 65535), metavar="N", help="Port of the API.  [default: any]")],
)

PROFILE = Section(
    "Profile",
    [
        _option("--profile", default="default", show_default=True, metavar="NAME", help="Profile to write."),
        _option("--api-key", type=SECRET, metavar="KEY|@FILE", help="The key, instead of a prompt or stdin."),
        _option("-y", "--yes", is_flag=True, help="Replace an existing key without asking."),
    ],
)

KILLS = Section(
    "Selftest",
    [
        _option(
            "--kills",
            type=click.IntRange(1, 40),
            metavar="N",
            default=5,
            show_default=True,
            help="How often to kill -9 a run.",
        )
    ],
)

OUTPUT = Section(
    "Output",
    [
        _option("-q", "--quiet", is_flag=True, help="Print errors only."),
        _option("-v", "--verbose", count=True, help="Print failures and retries; -vv also every file."),
        _option("--json", "as_json", is_flag=True, help="Print events as JSON lines on stdout."),
    ],
)


def to_options(given: dict[str, Any]) -> Options:
    """`Options` with the values of the command line in place of its defaults."""
    found = {name: value for name, value in given.items() if value not in (None, ())}
    if {"selection__bbox", "selection__intersects"} <= found.keys():
        raise click.UsageError("--bbox and --intersects both select an area: give only one")
    if "selection__query" in found:
        found["selection__query"] = _merge_queries(found["selection__query"])
    defaults = Options()
    return replace(
        defaults,
        selection=replace(defaults.selection, **_fields_of("selection__", found)),
        retry=replace(defaults.retry, **_fields_of("retry__", found)),
        **{name: value for name, value in found.items() if "__" not in name},
    )


def single_value(what: str, *given: str | None) -> str | None:
    """The value of something that can be given in several ways; they may not differ. None: not given."""
    values = {one for one in given if one is not None}
    if len(values) > 1:
        raise click.UsageError(
            f"{what} is given more than once, with different values: {', '.join(sorted(values))}"
        )
    return values.pop() if values else None


def _fields_of(prefix: str, found: dict[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in found.items() if name.startswith(prefix)}


def _merge_queries(queries: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """All conditions in one query object: an item has to meet all of them."""
    merged: dict[str, Any] = {}
    for query in queries:
        for name, tests in query.items():
            merged[name] = {**merged.get(name, {}), **tests}
    return merged
