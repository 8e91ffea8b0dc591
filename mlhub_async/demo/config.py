"""How the demo is configured, and what its user and the tests may know of it while it runs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from ..core.errors import UsageError
from . import sample

PREFIX = "/mlhub/v1"
DEMO_KEY = "demo-key-4f1d3c0a9b2e8d7766554433221100ffeeddccbbaa99887766554433"


@dataclass(frozen=True, slots=True)
class DemoConfig:
    """`items` label chips with `dates` source items each. Times in seconds; `errors` is a share of 0..1.

    Faults (503, reset, body cut short) hit listings, items and assets, never one URL more than three times
    in a row. Port 0: any free one.
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
        if not 1 <= self.items <= sample.MOST_CHIPS:
            raise UsageError(f"the demo has 1 to {sample.MOST_CHIPS} label items, not {self.items}")
        if not 1 <= self.dates <= 20_000:
            raise UsageError(f"the demo has 1 to 20000 dates, not {self.dates}")
        if not 0 <= self.errors <= 1 or self.latency < 0:
            raise UsageError("the demo's errors are a share of 0 to 1, its latency is 0 or more seconds")


@dataclass(frozen=True, slots=True)
class Site:
    """A running demo: where it is, what was asked of it, and where a credential went astray.

    `requests` counts by kind (root, datasets, collections, items, item, search, download, storage ...) and
    `fault` those that were spoilt on purpose. `leaks` names each request that carried a credential to
    the storage origin, without the credential.
    """

    root: str
    storage: str
    key: str
    requests: Counter[str] = field(default_factory=Counter)
    leaks: list[str] = field(default_factory=list)
