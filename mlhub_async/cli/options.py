"""Every option of the command line, declared once; its parameter name is its field in `Options`.

`selection__bbox` is `Options.selection.bbox`, `retry__attempts` is `Options.retry.attempts`. An option that
is not given is left out, so that the defaults are defined in `Options` alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from .. import stac
from ..core.options import LAYOUTS, Options
from . import parsing
from .help.sections import Section, choice, default_of, flag, option, repeatable, single
from .parsing import Value

BBOX = Value("bbox", parsing.bbox)
GEOMETRY = Value("geojson", parsing.geometry)
INTERVAL = Value("datetime", stac.normal_interval)
QUERY = Value("query", parsing.query)
CQL2 = Value("cql2", parsing.cql2)
SIZE = Value("size", parsing.size)
POSITIVE_SIZE = Value("size", parsing.positive(parsing.size))
POSITIVE_NUMBER = Value("n", parsing.positive(parsing.number))
SECONDS = Value("seconds", parsing.seconds)
POSITIVE_SECONDS = Value("seconds", parsing.positive(parsing.seconds))
INTERVAL_SECONDS = Value("interval", parsing.interval)
COUNT = Value("n", parsing.count)
OUTPUT_FILE = Value("file", parsing.output_name)
POSITIVE_COUNT = Value("n", parsing.positive(parsing.count))
SLICES = Value("n", parsing.positive(parsing.slices))
SEGMENTS = Value("n|auto|off", parsing.segments)
PROCESSES = Value("n|auto", parsing.processes)
CONCURRENCY = Value("n|auto", parsing.auto_or_count)
ATTEMPTS = Value("n", parsing.attempts)
ORIGIN = Value("origin", parsing.origin)
SECRET = Value("secret", parsing.secret)
HEADER = Value("header", parsing.header)
SHARD = Value("k/n", parsing.shard)
TEMPLATE = Value("template", parsing.template)
PEM_FILE = click.Path(exists=True, dir_okay=False)

SELECTION = Section(
    "Selection",
    [
        repeatable(
            "-c --collection --collections",
            "selection__collections",
            "ID|GLOB",
            "Only these collections: ids or globs, also with commas.",
        ),
        single("--from", "from_source", "SOURCE", "Another place of the files of a lockfile."),
        single("--dataset", "selection__dataset", "ID", "All collections of this MLHub dataset."),
        repeatable("--ids --id", "selection__ids", "ID", "Only this item."),
        single("--bbox", "selection__bbox", "W S E N", "Only items that intersect this box.", BBOX),
        single(
            "--intersects",
            "selection__intersects",
            "GEOJSON|@FILE",
            "Only items that intersect this geometry.",
            GEOMETRY,
        ),
        single(
            "--datetime",
            "selection__datetime",
            "A/B",
            "Only items from A to B; '..' leaves an end open.",
            INTERVAL,
        ),
        repeatable(
            "--query",
            "selection__query",
            "JSON|COND",
            "Only items with this property, e.g. 'eo:cloud_cover<10'.",
            QUERY,
        ),
        single("--filter", "selection__filter", "CQL2|@FILE", "Only items that match this filter.", CQL2),
        single("--max-items", "selection__max_items", "N", "At most N items.", POSITIVE_COUNT),
        repeatable("-i --include", "selection__include", "GLOB", "Only assets whose key matches."),
        repeatable(
            "-x --exclude", "selection__exclude", "GLOB", "No assets whose key matches; wins over -i."
        ),
        repeatable("--role --roles", "selection__roles", "ROLE", "Only assets with this role."),
        repeatable("--media-type", "selection__media_types", "TYPE", "Only assets of this media type."),
        single("--min-size", "selection__min_size", "SIZE", "No assets whose file:size is smaller.", SIZE),
        single("--max-size", "selection__max_size", "SIZE", "No assets whose file:size is larger.", SIZE),
        repeatable("--class", "selection__classes", "NAME", "Only label items with this class."),
        choice(
            "--subset",
            "selection__subset",
            "Only items of this part of a data set.",
            ("train", "validation", "test"),
        ),
        option(
            "--follow-sources/--no-follow-sources",
            "selection__follow_sources",
            default=None,
            help="Also mirror the source imagery that label items link to.  [default: follow-sources]",
        ),
        repeatable(
            "--source-query",
            "selection__source_query",
            "JSON|COND",
            "Only source imagery with this property.",
            QUERY,
        ),
        single(
            "--source-datetime",
            "selection__source_datetime",
            "A/B",
            "Only source imagery from A to B.",
            INTERVAL,
        ),
        repeatable(
            "--source-include",
            "selection__source_include",
            "GLOB",
            "Only assets of source imagery whose key matches.",
        ),
        repeatable(
            "--source-exclude",
            "selection__source_exclude",
            "GLOB",
            "No assets of source imagery whose key matches.",
        ),
        flag("--allow-empty", "allow_empty", "Exit code 0, not 9, if nothing matches."),
        single("--limit", "selection__limit", "N", "Items per page to request of an API.", POSITIVE_COUNT),
        single("--split", "selection__split", "N", "List a search or a store in N slices at a time.", SLICES),
        choice(
            "--group-by",
            "selection__group_by",
            "Which files without STAC become one item.",
            ("folder", "stem", "none"),
        ),
        flag("--open-archives", "selection__open_archives", "Open the archives among files without STAC."),
        choice("--method", "selection__method", "HTTP method for STAC API searches.", ("GET", "POST")),
    ],
)

TRANSFER = Section(
    "Transfer",
    [
        single(
            "-j --concurrency --jobs --max-concurrent-downloads --max-workers",
            "concurrency",
            "N|auto",
            "Transfers at a time.",
            CONCURRENCY,
            shown="auto",
        ),
        single("--max-per-host", "max_per_host", "N", "Transfers at a time from one host.", POSITIVE_COUNT),
        single("--processes", "processes", "N|auto", "Worker processes; auto: one per processor.", PROCESSES),
        single("--scheduler", "scheduler", "ADDRESS", "Let the workers of this Dask scheduler fetch."),
        single(
            "--parts --max-splits",
            "parts",
            "N|auto|off",
            "Parallel range requests for one large file.",
            SEGMENTS,
            shown="auto",
        ),
        single(
            "--bwlimit --limit-rate",
            "bwlimit",
            "SIZE",
            "Bytes per second, all transfers together; 10M is 10 MiB.",
            POSITIVE_SIZE,
        ),
        single("--tpslimit", "tpslimit", "N", "Requests per second, all hosts together.", POSITIVE_NUMBER),
        single(
            "-R --retries",
            "retry__attempts",
            "N|infinite",
            "Retries in a row without progress.",
            ATTEMPTS,
            shown=str(default_of("retry__attempts") - 1),
        ),
        single(
            "--connect-timeout", "connect_timeout", "S", "Longest wait for a connection.", POSITIVE_SECONDS
        ),
        single(
            "--timeout",
            "timeout",
            "S",
            "Longest wait for the next byte, not for the whole.",
            POSITIVE_SECONDS,
        ),
        single("--min-speed", "min_speed", "SIZE", "Reconnect below so many bytes per second.", SIZE),
        single("--max-outage", "max_outage", "S", "Longest wait for a host that is down.", POSITIVE_SECONDS),
    ],
)

NETWORK = Section(
    "Network",
    [
        choice("--transport", "transport", "HTTP implementation; --proxy needs aiohttp."),
        single("--proxy", "proxy", "URL|@FILE", "Use the proxy http://[user:password@]host:port.", SECRET),
        single("--endpoint-url", "endpoint_url", "URL", "Object store of s3://, gs:// and az:// addresses."),
        single("--ca-file", "ca_file", "PEM", "Certificates to trust, instead of the system's.", PEM_FILE),
        flag("--allow-private", "allow_private", "Let a remote catalogue refer to private addresses."),
        repeatable(
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
        single(
            "--api-key",
            "api_key",
            "KEY|@FILE",
            "MLHub API key. Other users can see the command line: prefer a profile.",
            SECRET,
        ),
        single("--api-token", "api_token", "TOKEN|@FILE", "Bearer token, the older form of a key.", SECRET),
        single("--profile", "profile", "NAME", "Profile with the key, as 'configure' writes it."),
        repeatable(
            "-H --header",
            "headers",
            "'K: V'",
            "Header for the origin of SOURCE only; 'https://host K: V': for that one only.",
            HEADER,
        ),
        repeatable(
            "--auth", "auth", "HOST=SCHEME", "Scheme of authentication of a host; 'none' for none at all."
        ),
        single(
            "--token-file",
            "token_file",
            "FILE",
            "Keep access tokens there for later runs; only you can read it.",
        ),
        choice(
            "--request-payer", "request_payer", "Pay where a bucket makes requesters pay.", ("requester",)
        ),
        flag("--netrc", "netrc", "Use the logins in ~/.netrc (or $NETRC), each for its own host."),
    ],
)

FILES = Section(
    "Files",
    [
        choice("--if-exists", "if_exists", "What to do with files that exist."),
        choice("--verify", "verify", "Checks a file has to pass before it gets its final name."),
        choice("--durability", "durability", "Survive a killed process, or a power cut too."),
        single("--state", "state", "DIR", "Ledger and unfinished files of a mirror in a bucket."),
        single("--shard", "shard", "K/N", "Only one of N parts, each by a run; then merge.", SHARD),
        choice("--on-full", "on_full", "On a full disk: stop with exit code 7, or wait for space."),
        single(
            "-p --path-template",
            "path_template",
            "TEMPLATE",
            "Path of an asset; also ${filename} ${datetime} ${year} ${month} ${day}.",
            TEMPLATE,
        ),
        choice("--layout", "layout", "A path template by its name, in place of -p.", tuple(LAYOUTS)),
        choice("--asset-hrefs", "asset_hrefs", "Form of the hrefs in the written catalogue."),
        repeatable(
            "--reference",
            "references",
            "DIR|URL",
            "Another mirror: its files are taken where they prove to be the same.",
        ),
        flag("--enrich", "enrich", "Add proj:code, proj:shape, proj:transform from TIFF headers to items."),
        flag("--index", "index", "Also write items.parquet, items.geojson and pairs.csv of all items."),
        flag("--ro-crate", "ro_crate", "Also write ro-crate-metadata.json (RO-Crate 1.1) of all files."),
        flag(
            "--croissant", "croissant", "Also write croissant.json (MLCommons) and assets.csv of all files."
        ),
    ],
)

LIMITS = Section(
    "Limits",
    [
        flag("--fail-fast", "fail_fast", "Stop at the first asset that fails."),
        single("--max-errors", "max_errors", "N", "Stop when more than N assets have failed.", COUNT),
        single(
            "--max-transfer",
            "max_transfer",
            "SIZE",
            "Stop after so many bytes of assets; exit code 8.",
            POSITIVE_SIZE,
        ),
        single("--max-duration", "max_duration", "S", "Stop after so long; exit code 8.", POSITIVE_SECONDS),
    ],
)

PRUNE = Section(
    "Prune",
    [
        flag("--prune", "prune", "Remove what has left the catalogue; with -n only list it."),
        single(
            "--max-delete",
            "max_delete",
            "N",
            "Remove nothing if more than N assets would go.",
            COUNT,
            shown="a tenth, or 10",
        ),
    ],
)

_FORECAST = option(
    "--forecast", is_flag=True, help="Bytes and time in all, by at most 200 requests for sizes of files."
)
_SAVE = "what would be mirrored; .ndjson: by lines, as - to stdout. The file is a valid SOURCE."

PLAN = Section("Plan", [option("--save", type=OUTPUT_FILE, metavar="FILE", help=f"Write {_SAVE}"), _FORECAST])

_EVERY = "Repeat the run until a signal: 90s, 15m, 6h, 1d. SIGHUP: read the configuration again."
_FULL = "List SOURCE in full every N runs, else what is known to have changed."

REPETITION = Section(
    "Repetition", [option("--every", type=INTERVAL_SECONDS, metavar="INTERVAL", help=_EVERY)]
)

FULL_LISTING = Section("Repetition", [single("--full-every", "full_every", "N", _FULL, POSITIVE_COUNT)])

METRICS = Section(
    "Output",
    [single("--metrics", "metrics", "FILE", "Write counters for Prometheus, at the end and before.")],
)

DRY_RUN = Section(
    "Plan",
    [
        option("-n", "--dry-run", is_flag=True, help="Fetch and remove nothing; compare with DEST."),
        option("--save", type=OUTPUT_FILE, metavar="FILE", help=f"With -n: write {_SAVE}"),
        _FORECAST,
    ],
)

DESTINATION = Section(
    "Files",
    [
        option("-o", "--output-dir", "output_dir", metavar="DEST", help="DEST as an option."),
        option("--overwrite", is_flag=True, help="The same as --if-exists overwrite."),
        option("--skip-existing", is_flag=True, help="The same as --if-exists skip."),
    ],
)

OUTPUT = Section(
    "Output",
    [
        option("-q", "--quiet", is_flag=True, help="Print errors only."),
        option("-v", "--verbose", count=True, help="Print failures and retries; -vv also every file."),
        option("--json", "as_json", is_flag=True, help="Print events as JSON lines on stdout."),
    ],
)


def to_options(given: dict[str, Any]) -> Options:
    """`Options` with the values of the command line in place of its defaults."""
    found = {name: value for name, value in given.items() if value not in (None, ())}
    if {"selection__bbox", "selection__intersects"} <= found.keys():
        raise click.UsageError("--bbox and --intersects both select an area: give only one")
    if "selection__collections" in found:
        found["selection__collections"] = parsing.separate(found["selection__collections"])
    for name, word in (("selection__query", "--query"), ("selection__source_query", "--source-query")):
        if name in found:
            found[name] = parsing.merge_queries(found[name], word)
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
