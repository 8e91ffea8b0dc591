"""How often the truth is inside the interval of `plan --forecast`, and with how many requests: no network.

    python benchmarks/forecast.py [--seeds 100]

Each seed makes the catalogues anew and lists them into the frame of the program; its sampler draws, asks
(a function here in place of the network) and estimates. A forecast should hold in 95 of 100.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from statistics import fmean

from mlhub_async.core.model import Asset
from mlhub_async.engine.planning.forecast.frame import Frame
from mlhub_async.engine.planning.forecast.sampling import Forecast, Sampler
from mlhub_async.engine.planning.forecast.sizes import Measured

MIB = 1 << 20
FILES = 4_800
"""Of each catalogue."""
Sizes = dict[str, int]
"""By URL."""


@dataclass
class Catalogue:
    """Files by URL with their true sizes. `said`: what a host says of a file, where that is another size;
    None: nothing. `liars`: files whose host says what is not so, which a look at their end shows."""

    sizes: Sizes = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    said: dict[str, int | None] = field(default_factory=dict)
    liars: set[str] = field(default_factory=set)

    def add(self, key: str, size: float, host: str = "a.example") -> str:
        url = f"https://{host}/{key}/{len(self.sizes)}.tif"
        self.sizes[url], self.keys[url] = max(2, round(size)), key
        return url

    def truth(self) -> int:
        """The bytes of all files but those that are not to be forecast."""
        return sum(size for url, size in self.sizes.items() if url not in self.liars)


def uniform(rng: random.Random) -> Catalogue:
    """Four bands of raw images, from 1 to 3 MiB each."""
    made = Catalogue()
    for number in range(FILES):
        made.add(f"B{number % 4}", rng.uniform(1, 3) * MIB)
    return made


def log_normal(rng: random.Random) -> Catalogue:
    """Four kinds, each with sizes over two orders of magnitude (sigma = 1)."""
    made = Catalogue()
    for number in range(FILES):
        made.add(f"B{number % 4}", math.exp(rng.gauss(11 + number % 4, 1)))
    return made


def bimodal(rng: random.Random) -> Catalogue:
    """One kind: a fifth are scenes of 40 MiB, the others chips of 1 MiB."""
    made = Catalogue()
    for _ in range(FILES):
        made.add("data", (40 if rng.random() < 0.2 else 1) * MIB * rng.uniform(0.9, 1.1))
    return made


def one_huge_key(rng: random.Random) -> Catalogue:
    """Twelve kinds, of which one is a thousand times as large as the others."""
    made = Catalogue()
    for number in range(FILES):
        made.add(f"B{number % 12}", math.exp(rng.gauss(18 if number % 12 == 0 else 11, 0.5)))
    return made


def lying(rng: random.Random) -> Catalogue:
    """Two hosts. One compresses a tenth of its answers, whose lengths say nothing of the files; the other
    one says ten times what it sends: its files are left out, and told."""
    made = Catalogue()
    for number in range(FILES):
        honest = number % 5 != 0
        url = made.add(f"B{number % 4}", math.exp(rng.gauss(14, 0.7)), "a.example" if honest else "b.example")
        if not honest:
            made.said[url] = 10 * made.sizes[url]
            made.liars.add(url)
        elif rng.random() < 0.1:
            made.said[url] = None
    return made


CATALOGUES: tuple[Callable[[random.Random], Catalogue], ...] = (
    uniform,
    log_normal,
    bimodal,
    one_huge_key,
    lying,
)


def forecast_of(made: Catalogue, rng: random.Random) -> Forecast:
    """The forecast of the program for a catalogue."""
    frame = Frame(rng.random)
    for url, key in made.keys.items():
        asset = Asset(url, key, url, "c", "image/tiff")
        frame.add(url, "c", asset, lambda asset=asset: asset)

    async def measure(asset: Asset) -> Measured:
        size = made.said.get(asset.href, made.sizes[asset.href])
        return Measured(size, "" if size is not None else "encoded")

    async def honest(asset: Asset, size: int) -> bool:
        return size == made.sizes[asset.href]

    return asyncio.run(Sampler(frame, measure, honest).run())


@dataclass(frozen=True)
class Outcome:
    """Of one seed of one catalogue."""

    holds: bool
    requests: int
    half_width: float
    error: float


def outcomes(make: Callable[[random.Random], Catalogue], seeds: int) -> Iterator[Outcome]:
    for seed in range(seeds):
        rng = random.Random(seed)
        made = make(rng)
        found = forecast_of(made, rng)
        truth, (total, low, high) = made.truth(), found.sizes
        yield Outcome(low <= truth <= high, found.requests, found.sizes.relative, abs(total - truth) / truth)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, default=100)
    seeds = parser.parse_args().seeds
    print(
        "| catalogue | truth inside | requests | half-width | error of the estimate |\n|---|---|---|---|---|"
    )
    for make in CATALOGUES:
        found = list(outcomes(make, seeds))
        inside = sum(one.holds for one in found)
        used = sorted(one.requests for one in found)
        errors = sorted(one.error for one in found)
        requests = f"{fmean(used):.0f} ({used[0]} to {used[-1]})"
        width = f"{fmean(one.half_width for one in found):.1%}"
        error = f"{fmean(errors):.1%} (at most {errors[-1]:.1%})"
        print(f"| {make.__name__} | {inside} of {seeds} | {requests} | {width} | {error} |", flush=True)


if __name__ == "__main__":
    main()
