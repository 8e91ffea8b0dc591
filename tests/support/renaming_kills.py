"""The kill -9 loop over the renaming of the files of a mirror that an earlier version made."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mlhub_async import Options, RetryPolicy, mirror, verify
from support.command import Program, Running
from support.kill_loop import PROGRAM
from support.old_names import old_names
from support.server import Background, Site, tif
from support.stac_server import stac_item

IDS = ["S2:A", "50%", "a%20b", "../x", "h#1", "x?y", "urn:x:1", "plain", "a b"]
"""All but the last two have other names now."""
COLLECTION = "urn:c"


@dataclass
class Tally:
    """What the rounds came to. `half_way`: kills that left names of both kinds."""

    rounds: int = 0
    kills: int = 0
    half_way: int = 0
    asset_requests: int = 0
    violations: list[str] = field(default_factory=list)


class RenamingLoop:
    """One old mirror below `place`, copied for each round, and the site that it was made of."""

    def __init__(self, place: Path, site: Site, seed: int, count: int, program: Sequence[str]) -> None:
        self.tally = Tally()
        self._site = site
        self._chance = random.Random(seed)
        self._old, self._dest = place / "old", place / "dest"
        self._words = program
        self._span = 0.05
        (place / "home").mkdir()
        self._program = Program(place / "home")
        features = [_item(site, number) for number in range(count)]
        self._url = site.json("/items.json", {"type": "FeatureCollection", "features": features})

    def make(self, old_tree: Path | None) -> None:
        """The old mirror: by the program in `old_tree`, or by this one with the names of then."""
        if old_tree is None:
            options = Options(retry=RetryPolicy(attempts=3, base=0), allow_private=True)
            with old_names(self._old):
                assert asyncio.run(mirror(self._url, self._old, options)).ok
        else:
            words = [*PROGRAM, "mirror", self._url, str(self._old), "-q"]
            subprocess.run(words, check=True, env={**os.environ, "PYTHONPATH": str(old_tree)}, cwd=old_tree)
        self._contents = _contents(self._old)
        assert _percent(self._old) and not _findings(self._old)

    def round(self) -> None:
        """Kill the renaming once to three times, then let a run end. Each state is judged."""
        self.tally.rounds += 1
        shutil.rmtree(self._dest, ignore_errors=True)
        shutil.copytree(self._old, self._dest, symlinks=True)
        self._site.log.clear()
        for _ in range(self._chance.choice((1, 1, 2, 3))):
            self._kill(self._start())
        ended = self._start().finish()
        if ended.code:
            self._say(f"exit {ended.code}: {ended.err[-300:]}")
        self._judge("after the last run")
        if left := _percent(self._dest):
            self._say(f"{len(left)} names with a percent sign are left, such as {left[0]}")

    def _start(self) -> Running:
        return self._program.start_raw(*self._words, "mirror", self._url, self._dest, "-q")

    def _kill(self, running: Running) -> None:
        """At a random moment of the renaming, as long as it was seen to take."""
        names = set(os.listdir(self._dest))
        while set(os.listdir(self._dest)) == names and running.process.poll() is None:
            time.sleep(0.0005)
        began = time.monotonic()
        time.sleep(self._chance.uniform(0, self._span))
        if running.process.poll() is not None:
            self._span = max(0.8 * min(self._span, time.monotonic() - began), 0.005)
        running.kill()
        left = len(_percent(self._dest))
        self.tally.kills += running.process.returncode == -9
        self.tally.half_way += running.process.returncode == -9 and 0 < left < len(_percent(self._old))
        self._span *= 0.8 if not left else 1.1
        self._judge("after kill -9")

    def _judge(self, when: str) -> None:
        if found := _findings(self._dest):
            self._say(f"{when}: verify: {found}")
        if _contents(self._dest) != self._contents:
            self._say(f"{when}: the assets are other ones")
        asked = sum(seen.path.endswith(".tif") for seen in self._site.log)
        self.tally.asset_requests += asked
        if asked:
            self._say(f"{when}: {asked} assets were fetched again")
        self._site.log.clear()

    def _say(self, words: str) -> None:
        self.tally.violations.append(f"round {self.tally.rounds} {words}")

    def close(self) -> None:
        self._program.close()


@contextmanager
def renaming(
    place: Path,
    seed: int,
    *,
    count: int = 90,
    old_tree: Path | None = None,
    program: Sequence[str] = PROGRAM,
) -> Iterator[RenamingLoop]:
    """`count`: items of the mirror, two assets each. `old_tree`: a working tree of an earlier version."""
    with Background() as sites:
        loop = RenamingLoop(place, sites.site(), seed, count, program)
        try:
            loop.make(old_tree)
            yield loop
        finally:
            loop.close()


def _item(site: Site, number: int) -> dict[str, object]:
    name = f"{IDS[number % len(IDS)]}{number}"
    first, second = tif(500, 2 * number), tif(600, 2 * number + 1)
    assets = {name: site.put(f"/{number}-a.tif", first), "data": site.put(f"/{number}-b.tif", second)}
    return stac_item(name, COLLECTION, **assets)


def _findings(dest: Path) -> str:
    """What `verify` finds wrong: damage, files of nobody; "" if nothing.

    A kill after the renaming hits a run that has begun: then `verify` says that it was interrupted.
    """
    found = asyncio.run(verify(dest))
    expected = found.exit_code == (5 if found.interrupted and not _percent(dest) else 0)
    if expected and not found.damage and not found.foreign:
        return ""
    return f"exit {found.exit_code}, damage {found.damage[:3]}, files of nobody {found.foreign[:3]}"


def _percent(dest: Path) -> list[Path]:
    return [path for path in dest.rglob("*") if "%" in path.name]


def _contents(dest: Path) -> Counter[bytes]:
    return Counter(path.read_bytes() for path in dest.rglob("*.tif"))
