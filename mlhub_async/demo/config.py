"""The configuration of the sample catalogue, and the state of a running one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from ..core.errors import UsageError
from . import sample

PREFIX = "/mlhub/v1"
MAX_DATES = 20_000
DEMO_KEY = "demo-key-4f1d3c0a9b2e8d7766554433221100ffeeddccbbaa99887766554433"
"""The default API key: it gives access to generated data on loopback and is no secret."""


@dataclass(frozen=True, slots=True)
class DemoConfig:
    """Size and behaviour of the sample: `items` label chips with `dates` source items each.

    `latency` and `token_ttl` (how long a download link is valid) are seconds, `errors` is the share of
    requests, 0 to 1, that fail: with a 503, a connection reset or a truncated body. Listings, items and
    assets fail, the same URL at most three times in a row, and the same requests for the same `seed`.
    Port 0 is any free port. Raises `UsageError` for values that are out of range.
    """

    items: int = 6
    dates: int = 3
    latency: float = 0.0
    errors: float = 0.0
    host: str = "127.0.0.1"
    port: int = 0
    storage_port: int = 0
    key: str = DEMO_KEY
    token_ttl: float = 6 * 3600.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.items <= sample.MAX_CHIPS:
            raise UsageError(f"the sample has 1 to {sample.MAX_CHIPS} label items, not {self.items}")
        if not 1 <= self.dates <= MAX_DATES:
            raise UsageError(f"the sample has 1 to {MAX_DATES} dates, not {self.dates}")
        if not 0 <= self.errors <= 1 or self.latency < 0:
            raise UsageError("the share of errors must be 0 to 1, the latency 0 or more seconds")


@dataclass(frozen=True, slots=True)
class Site:
    """A running sample catalogue: its addresses and the requests it has received.

    `root` is the URL of the API, `storage` the origin of the assets. `requests` counts by kind (root,
    datasets, collections, items, item, search, download, storage ...); "fault" counts those that failed on
    purpose. `leaks` names each request that sent a credential to the storage origin, without the credential.
    """

    root: str
    storage: str
    key: str
    requests: Counter[str] = field(default_factory=Counter)
    leaks: list[str] = field(default_factory=list)
