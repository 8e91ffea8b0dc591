"""`Options`, `Selection` and `RetryPolicy`: the options of a mirror, with their defaults.

The fields have the names of the options of the command line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args, get_origin, get_type_hints

from ..errors import UsageError
from ..model import JsonObject
from ..secret import Secret
from .checks import OPTION_FIELDS, RETRY_FIELDS, SELECTION_FIELDS, check_fields

DEFAULT_TEMPLATE = "${collection}/${id}/${key}${ext}"
LAYOUTS = {"torchgeo": "${collection}/${id}_${year}${month}${day}_${key}${ext}"}
"""Path templates with a name. torchgeo: its `RasterDataset` reads date and band from the file name, such as
by the regular expression `.*_(?P<date>\\d{8})_(?P<band>[^_]+)\\.tif`."""

ITEM_CONDITIONS = (
    "collections",
    "dataset",
    "ids",
    "bbox",
    "intersects",
    "datetime",
    "query",
    "filter",
    "classes",
)
"""Fields of `Selection` that choose items."""
ASSET_CONDITIONS = ("include", "exclude", "roles", "media_types", "min_size", "max_size")
"""Fields of `Selection` that choose assets of them."""
SOURCE_CONDITIONS = ("source_query", "source_datetime", "source_include", "source_exclude")
"""Fields of `Selection` that choose among the source imagery of label items."""

TUPLE_FIELDS = (
    *("collections", "ids", "include", "exclude", "roles", "media_types", "classes"),
    *("source_include", "source_exclude"),
)
"""Fields of `Selection` that take one string or an iterable of strings."""


def as_tuple(given: Any) -> Any:
    """Several values as a tuple. A single string is one value; what is neither stays for `check_fields`."""
    if isinstance(given, str):
        return (given,)
    return tuple(given) if isinstance(given, Iterable) else given


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When to give up: after `attempts` in a row without progress, the first one included.

    Waits are in seconds, with full jitter: at random up to `base`, then up to twice that, ..., up to `cap`.
    """

    attempts: int = 6
    base: float = 1.0
    cap: float = 60.0

    def __post_init__(self) -> None:
        check_fields(self, RETRY_FIELDS)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which items and assets of a source are wanted. Names and meaning as in stac-client and stac-asset.

    Raises `UsageError`, which names the field, for a value that it cannot have (`checks`).
    """

    collections: tuple[str, ...] = ()
    """ids, and globs of ids"""
    dataset: str | None = None
    """id of an MLHub dataset, for all of its collections"""
    ids: tuple[str, ...] = ()
    bbox: tuple[float, ...] | None = None
    """west, south, east, north in degrees (or six numbers); west > east crosses the antimeridian"""
    intersects: JsonObject | None = None
    """a GeoJSON geometry"""
    datetime: str | None = None
    """an instant, an interval "A/B" of RFC 3339 (".." leaves an end open), or a part of a date: 2020-01"""
    query: JsonObject | None = None
    """an object of the STAC query extension"""
    filter: Any = None
    """CQL2, as text or as JSON"""
    limit: int | None = None
    """items per page to request of an API"""
    max_items: int | None = None
    method: str | None = None
    """HTTP method of searches, "GET" or "POST"; None: what the API supports"""
    split: int = 1
    """time slices to list a search in, in parallel"""
    group_by: str = "folder"
    """which files of a listing without STAC become one item: those of a "folder", of a "stem", or "none" """
    include: tuple[str, ...] = ()
    """globs of asset keys; `exclude` wins"""
    exclude: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    media_types: tuple[str, ...] = ()
    min_size: int | None = None
    """bytes of file:size; an asset without one is selected"""
    max_size: int | None = None
    classes: tuple[str, ...] = ()
    """label classes, any of which a label item must have"""
    follow_sources: bool = True
    """select the source imagery of label items too"""
    source_query: JsonObject | None = None
    """as `query`, for followed source imagery; `query` itself is for the other items"""
    source_datetime: str | None = None
    source_include: tuple[str, ...] = ()
    """globs of the asset keys of followed source imagery, which `include` and `exclude` are not for then"""
    source_exclude: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in TUPLE_FIELDS:
            object.__setattr__(self, name, as_tuple(getattr(self, name)))
        if self.bbox is not None and not isinstance(self.bbox, str):
            object.__setattr__(self, "bbox", as_tuple(self.bbox))
        check_fields(self, SELECTION_FIELDS)
        given = [name for name in SOURCE_CONDITIONS if getattr(self, name)]
        if given and not self.follow_sources:
            word = given[0].replace("_", "-")
            raise UsageError(f"--{word} and --no-follow-sources exclude each other: leave one of them out")

    def of_sources(self) -> Selection:
        """The conditions for followed source imagery. Those of its items are its own; of its assets, globs of
        keys are, where one is given, and the others are the same."""
        has_globs = self.source_include or self.source_exclude
        return Selection(
            query=self.source_query,
            datetime=self.source_datetime,
            include=self.source_include if has_globs else self.include,
            exclude=self.source_exclude if has_globs else self.exclude,
            roles=self.roles,
            media_types=self.media_types,
            min_size=self.min_size,
            max_size=self.max_size,
        )

    def asked(self) -> dict[str, Any]:
        """The fields that differ from their defaults, for plan and receipt."""
        default = asdict(Selection())
        return {name: value for name, value in asdict(self).items() if value != default[name]}


@dataclass(frozen=True, slots=True)
class Options:
    """How a mirror is made. Sizes are in bytes, rates in bytes per second, times in seconds; None: no limit.

    Keys, tokens, header values and the proxy may be given as text: they are held as `Secret`.
    Raises `UsageError`, which names the field, for a value that it cannot have (`CHOICES`, `checks`).
    """

    selection: Selection = field(default_factory=Selection)
    concurrency: int | None = None
    """transfers at a time; None: adapted to each host while the run lasts"""
    max_per_host: int | None = None
    bwlimit: int | None = None
    """bytes per second, of all transfers together"""
    tpslimit: float | None = None
    """requests per second, to all hosts together"""
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    connect_timeout: float = 15.0
    timeout: float = 60.0
    """longest wait for the next bytes; the whole transfer may take any time"""
    max_outage: float = 1800.0
    """longest wait for a host that does not answer"""
    min_speed: int = 1024
    """bytes per second; a slower connection is replaced"""
    if_exists: Literal["resume", "skip", "overwrite", "refresh", "error"] = "resume"
    verify: Literal["auto", "size", "checksum", "deep"] = "auto"
    durability: Literal["process", "full"] = "process"
    """what finished files survive: "process": a kill of this process; "full": also a power cut"""
    on_full: Literal["stop", "pause"] = "stop"
    path_template: str = DEFAULT_TEMPLATE
    layout: Literal["torchgeo"] | None = None
    """the name of a path template (`LAYOUTS`), in place of one"""
    asset_hrefs: Literal["relative", "absolute"] = "relative"
    index: bool = False
    """write items.parquet, items.geojson and pairs.csv beside catalog.json"""
    enrich: bool = False
    """add the fields of the projection extension that items lack, from the headers of their TIFF files"""
    allow_empty: bool = False
    """whether a selection that nothing matches is no failure"""
    fail_fast: bool = False
    max_errors: int | None = None
    """stop when more assets than this have failed"""
    prune: bool = False
    """remove files that have left the catalogue"""
    max_delete: int | None = None
    """prune nothing if more assets than this would be removed; None: a tenth of them, or 10"""
    max_transfer: int | None = None
    max_duration: float | None = None
    allow_private: bool = False
    """whether a remote catalogue may refer to hosts with private addresses"""
    allow_origins: tuple[str, ...] = ()
    """origins that catalogue links may lead to, beside that of the source"""
    endpoint_url: str | None = None
    """where the object store of s3://, gs:// and az:// addresses is, in place of the services' own hosts"""
    ca_file: str | None = None
    transport: Literal["auto", "aiohttp", "fast"] = "auto"
    parts: int | None = None
    """parallel range requests for one large file; None: adapted while it is received; 1: never"""
    proxy: str | Secret | None = None
    netrc: bool = False
    headers: tuple[tuple[str, str | Secret], ...] = ()
    """for the origin of the source only; a mapping is accepted too"""
    api_key: str | Secret | None = None
    api_token: str | Secret | None = None
    profile: str | None = None

    def __post_init__(self) -> None:
        for name, words in CHOICES.items():
            if (word := getattr(self, name)) not in words:
                raise UsageError(f"{name}={word!r}: it can be {', '.join(words)}")
        if self.layout is not None:
            self._check_layout(self.layout)
        object.__setattr__(self, "allow_origins", as_tuple(self.allow_origins))
        check_fields(self, OPTION_FIELDS)
        for name in ("proxy", "api_key", "api_token"):
            if (given := getattr(self, name)) is not None:
                object.__setattr__(self, name, Secret.of(given))
        for name, kind in (("selection", Selection), ("retry", RetryPolicy)):
            if not isinstance(getattr(self, name), kind):
                raise UsageError(f"{name}: it can be a {kind.__name__}")
        object.__setattr__(self, "headers", _header_pairs(self.headers))

    def _check_layout(self, layout: str) -> None:
        if layout not in LAYOUTS:
            raise UsageError(f"layout={layout!r}: it can be None or {', '.join(LAYOUTS)}")
        if self.path_template != DEFAULT_TEMPLATE:
            raise UsageError("layout and path_template both say where files go: give only one")

    @property
    def template(self) -> str:
        """The path template: the one that was given, or that of the layout."""
        return self.path_template if self.layout is None else LAYOUTS[self.layout]


def _header_pairs(given: Any) -> tuple[tuple[str, Secret], ...]:
    try:
        pairs = [(name, value) for name, value in (given.items() if isinstance(given, Mapping) else given)]
    except (TypeError, ValueError):
        raise UsageError("headers: give a mapping, or pairs of name and value") from None
    for name, value in pairs:
        if not isinstance(name, str) or not isinstance(value, str | Secret):
            raise UsageError(f"headers: {name!r} and its value must be texts")
    return tuple((name, Secret.of(value)) for name, value in pairs)


CHOICES: dict[str, tuple[str, ...]] = {
    name: get_args(hint) for name, hint in get_type_hints(Options).items() if get_origin(hint) is Literal
}
"""The values of the options that have a fixed set of them."""
