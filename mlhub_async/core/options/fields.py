"""`Options`, `Selection` and `RetryPolicy`: the options of a mirror, with their defaults.

The fields have the names of the options of the command line.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from ..errors import UsageError
from ..model import JsonObject
from ..secret import Secret
from .checks import OPTION_FIELDS, RETRY_FIELDS, SELECTION_FIELDS, check_fields

DEFAULT_TEMPLATE = "${collection}/${id}/${key}${ext}"
LAYOUTS = {
    "torchgeo": "${collection}/${id}_${year}${month}${day}_${key}${ext}",
    "landcovernet": "landcovernet/${label}/${scene}/${filename}",
}
"""Path templates with a name. torchgeo: its `RasterDataset` reads date and band from the file name, such as
by the regular expression `.*_(?P<date>\\d{8})_(?P<band>[^_]+)\\.tif`. landcovernet: the files of a label item
lie in its directory, and those of its source imagery in directories of their dates below that."""

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
    "subset",
)
"""Fields of `Selection` that choose items."""
ASSET_CONDITIONS = ("include", "exclude", "roles", "media_types", "min_size", "max_size")
"""Fields of `Selection` that choose assets of them."""
SOURCE_CONDITIONS = ("source_query", "source_datetime", "source_include", "source_exclude")
"""Fields of `Selection` that choose among the source imagery of label items."""

IfExists = Literal["resume", "skip", "overwrite", "refresh", "error"]
Verify = Literal["auto", "size", "checksum", "deep"]
Durability = Literal["process", "full"]
OnFull = Literal["stop", "pause"]
AssetHrefs = Literal["relative", "absolute"]
Transport = Literal["auto", "aiohttp", "fast"]
CHOICES: dict[str, tuple[str, ...]] = {
    "if_exists": get_args(IfExists),
    "verify": get_args(Verify),
    "durability": get_args(Durability),
    "on_full": get_args(OnFull),
    "asset_hrefs": get_args(AssetHrefs),
    "transport": get_args(Transport),
}
"""The values of the options that have a fixed set of them."""

TUPLE_FIELDS = (
    *("collections", "ids", "include", "exclude", "roles", "media_types", "classes"),
    *("source_include", "source_exclude"),
)
"""Fields of `Selection` that take one string or an iterable of strings."""


def paths_as_texts(given: Any) -> Any:
    """The same for paths, each as a text."""
    several = (given,) if isinstance(given, os.PathLike) else as_tuple(given)
    if not isinstance(several, tuple):
        return several
    return tuple([os.fspath(one) if isinstance(one, os.PathLike) else one for one in several])


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
    """slices of time to list a search in, or of folders to list an object store in, at a time"""
    group_by: str = "folder"
    """which files of a listing without STAC become one item: those of a "folder", of a "stem", or "none" """
    open_archives: bool = False
    """open the archives among the files of a listing, and mirror their members"""
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
    subset: str | None = None
    """"train", "validation" or "test": items of this part of a data set, where it says which these are"""
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
        default = Selection()
        given = {name: getattr(self, name) for name in self.__match_args__}
        return {name: value for name, value in given.items() if value != getattr(default, name)}


@dataclass(frozen=True, slots=True)
class Options:
    """How a mirror is made. Sizes are in bytes, rates in bytes per second, times in seconds; None: no limit.

    Keys, tokens, header values and the proxy may be given as text: they are held as `Secret`.
    Raises `UsageError`, which names the field, for a value that it cannot have (`CHOICES`, `checks`).
    """

    selection: Selection = field(default_factory=Selection)
    concurrency: int | None = None
    """transfers at a time, in each process; None: adapted to each host while the run lasts"""
    max_per_host: int | None = None
    """transfers at a time from one host, of all processes together"""
    processes: int = 1
    """worker processes; 1: this process makes all transfers"""
    scheduler: str | None = None
    """address of a Dask scheduler, whose workers make the transfers"""
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
    if_exists: IfExists = "resume"
    verify: Verify = "auto"
    durability: Durability = "process"
    """what finished files survive: "process": a kill of this process; "full": also a power cut"""
    on_full: OnFull = "stop"
    path_template: str = DEFAULT_TEMPLATE
    layout: Literal["torchgeo", "landcovernet"] | None = None
    """the name of a path template (`LAYOUTS`), in place of one"""
    asset_hrefs: AssetHrefs = "relative"
    index: bool = False
    """write items.parquet, items.geojson and pairs.csv beside catalog.json"""
    croissant: bool = False
    """write croissant.json and assets.csv, a description of all files as a dataset, beside catalog.json"""
    ro_crate: bool = False
    """write ro-crate-metadata.json, a description of all files as a research object, beside catalog.json"""
    enrich: bool = False
    """add the fields of the projection extension that items lack, from the headers of their TIFF files"""
    allow_empty: bool = False
    """whether a selection that nothing matches is no failure"""
    metrics: str | None = None
    """the file of counters for Prometheus, which the textfile collector of its node_exporter reads"""
    fail_fast: bool = False
    max_errors: int | None = None
    """stop when more assets than this have failed"""
    prune: bool = False
    """remove files that have left the catalogue"""
    full_every: int = 1
    """list an API in full in every so many runs, and between these only what it says has changed since"""
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
    state: str | None = None
    """the directory of ledger and unfinished bytes of a mirror in a bucket; None: one below MLHUB_HOME"""
    shard: str | None = None
    """K/N: only the items whose hash says that they are of this one of N shards, which are merged later"""
    ca_file: str | None = None
    transport: Transport = "auto"
    parts: int | None = None
    """parallel range requests for one large file; None: adapted while it is received; 1: never"""
    proxy: str | Secret | None = None
    netrc: bool = False
    headers: tuple[tuple[str, str | Secret], ...] = ()
    """for the origin of the source only; a mapping is accepted too"""
    auth: tuple[str, ...] = ()
    """HOST=SCHEME: the scheme of authentication of a host, in place of the one that it would have"""
    from_source: str | None = None
    """another SOURCE that has the files of a lockfile"""
    references: tuple[str, ...] = ()
    """directories or addresses of other mirrors, whose files are taken where they prove to be the same"""
    token_file: str | None = None
    """where access tokens are kept for later runs, readable by its owner only; None: in memory only"""
    request_payer: Literal["requester"] | None = None
    """whether the requester pays for requests and transfers of object stores that ask for that"""
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
        object.__setattr__(self, "auth", as_tuple(self.auth))
        object.__setattr__(self, "references", paths_as_texts(self.references))
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
