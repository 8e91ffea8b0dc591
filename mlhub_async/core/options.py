"""What a mirror may be asked for, and what it does where nothing was said.

The names of the fields are those of the command line's options, whose help says what each one does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from .errors import UsageError
from .model import JsonObject
from .secret import Secret

CHOICES = {
    "if_exists": ("resume", "skip", "overwrite", "refresh", "error"),
    "verify": ("auto", "size", "checksum", "deep"),
    "durability": ("process", "full"),
    "on_full": ("stop", "pause"),
    "asset_hrefs": ("relative", "absolute"),
    "transport": ("auto", "aiohttp", "fast"),
}
"""What the options that are words may be."""


MULTIPLE = ("collections", "ids", "include", "exclude", "roles", "media_types", "classes")
"""Fields of a selection that name any number of things."""


def as_tuple(given: str | Iterable[str]) -> tuple[str, ...]:
    """One name is one, not as many as it has letters."""
    return (given,) if isinstance(given, str) else tuple(given)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When to stop trying. `attempts` counts fruitless ones in a row, the first one too.

    Waits are in seconds, with full jitter: at random up to `base`, twice that, ..., `cap`.
    """

    attempts: int = 6
    base: float = 1.0
    cap: float = 60.0


@dataclass(frozen=True, slots=True)
class Selection:
    """Which items and assets of a source are wanted. Names and meaning as in stac-client and stac-asset."""

    collections: tuple[str, ...] = ()
    dataset: str | None = None
    ids: tuple[str, ...] = ()
    bbox: tuple[float, ...] | None = None
    intersects: JsonObject | None = None
    datetime: str | None = None
    query: JsonObject | None = None
    filter: Any = None
    limit: int | None = None
    max_items: int | None = None
    method: str | None = None
    split: int = 1
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    media_types: tuple[str, ...] = ()
    min_size: int | None = None
    max_size: int | None = None
    classes: tuple[str, ...] = ()
    follow_sources: bool = True

    def __post_init__(self) -> None:
        for name in MULTIPLE:
            object.__setattr__(self, name, as_tuple(getattr(self, name)))
        if self.bbox is not None:
            object.__setattr__(self, "bbox", tuple(self.bbox))
        if not isinstance(self.datetime, str | None):
            raise UsageError(f"datetime={self.datetime!r}: write it as text, such as '2020-01/2020-06'")
        if not isinstance(self.query, dict | None):
            raise UsageError(f"query={self.query!r}: write it as {{'eo:cloud_cover': {{'lt': 10}}}}")

    def asked(self) -> dict[str, Any]:
        """What is wanted beyond the defaults, for plan and receipt."""
        default = asdict(Selection())
        return {name: value for name, value in asdict(self).items() if value != default[name]}


@dataclass(frozen=True, slots=True)
class Options:
    """How a mirror is made. Sizes in bytes, rates in bytes per second, times in seconds; None: no limit.

    `concurrency` None: as many at a time as the machines serve best. `parts` None: the same for one large
    file, 1: none is divided. `max_outage`: how long a host may be
    away. `max_errors`: how many assets may fail before it stops. `max_delete`: how many assets `prune` may
    remove at most, None: a tenth of them, or 10.
    Keys, tokens, header values and the proxy may be given as text: they are held as `Secret`.
    Raises `UsageError` for a word that an option does not know.
    """

    selection: Selection = field(default_factory=Selection)
    concurrency: int | None = None
    max_per_host: int | None = None
    bwlimit: int | None = None
    tpslimit: float | None = None
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    connect_timeout: float = 15.0
    timeout: float = 60.0
    max_outage: float = 1800.0
    min_speed: int = 1024
    if_exists: str = "resume"
    verify: str = "auto"
    durability: str = "process"
    on_full: str = "stop"
    path_template: str = "${collection}/${id}/${key}${ext}"
    asset_hrefs: str = "relative"
    fail_fast: bool = False
    max_errors: int | None = None
    prune: bool = False
    max_delete: int | None = None
    max_transfer: int | None = None
    max_duration: float | None = None
    allow_private: bool = False
    allow_origins: tuple[str, ...] = ()
    ca_file: str | None = None
    transport: str = "auto"
    parts: int | None = None
    proxy: str | Secret | None = None
    netrc: bool = False
    headers: tuple[tuple[str, str | Secret], ...] = ()
    api_key: str | Secret | None = None
    api_token: str | Secret | None = None
    profile: str | None = None

    def __post_init__(self) -> None:
        for name, words in CHOICES.items():
            if (word := getattr(self, name)) not in words:
                raise UsageError(f"{name}={word!r}: it can be {', '.join(words)}")
        for name in ("proxy", "api_key", "api_token"):
            if (given := getattr(self, name)) is not None:
                object.__setattr__(self, name, Secret.of(given))
        pairs = self.headers.items() if isinstance(self.headers, Mapping) else self.headers
        object.__setattr__(self, "headers", tuple((name, Secret.of(value)) for name, value in pairs))
        object.__setattr__(self, "allow_origins", as_tuple(self.allow_origins))
