"""The kill -9 loop: runs of the program are killed at random moments, and each state is judged."""

from __future__ import annotations

import random
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from support.changing_server import CANARY, SECRET, World
from support.command import Program, Running
from support.oracle import flaws, litter
from support.server import Background

PROGRAM = (sys.executable, "-m", "mlhub_async")
LAUNCH = Path(__file__).parents[1] / "crash" / "mutants" / "launch.py"
QUICK = (sys.executable, str(LAUNCH), "none")
"""The same with short waits between tries."""
TRIES = 4
"""Runs to the end that a state may take until it is complete: the faults of a round are finite."""


@contextmanager
def looping(
    place: Path, seed: int, *, program: Sequence[str] = PROGRAM, count: int = 20, huge: int = 0
) -> Iterator[Loop]:
    """`huge`: so many more objects are large enough to be brought in parts, and are."""
    with Background() as sites:
        world = World(sites.site(), sites.site(), chance := random.Random(seed), count, huge)
        loop = Loop(place, world, chance, program, ("--parts", 3) if huge else ())
        try:
            yield loop
        finally:
            loop.close()


@dataclass
class Tally:
    """What a loop came to. `killed`: hit in the middle of a run, not before its first request."""

    rounds: int = 0
    runs: int = 0
    killed: int = 0
    violations: list[str] = field(default_factory=list)


class Loop:
    """One world and one mirror of it below `place`, killed and completed again and again."""

    def __init__(
        self,
        place: Path,
        world: World,
        chance: random.Random,
        program: Sequence[str],
        options: Sequence[object],
    ) -> None:
        self.place = place
        self.chance = chance
        self.world = world
        self._options = options
        self.tally = Tally()
        self.dest = place / "dest"
        self._words = program
        self._span = 0.3
        (place / "home").mkdir()
        self._program = Program(place / "home")

    def round(self) -> None:
        """Change the world, kill a run of it (sometimes two or three), then let one go to the end."""
        self.tally.rounds += 1
        self._begin()
        while True:
            self._kill(self._start())
            self._change()
            if self.chance.random() < 0.8:
                break
        self._complete()

    def _begin(self) -> None:
        if self.tally.rounds > 1 and self.chance.random() < 0.4:
            shutil.rmtree(self.dest)
            self.world.mirror += 1
        self._change()

    def _change(self) -> None:
        size = len(self.world.objects)
        self.world.turn(changes=max(1, size // 5), faults=max(1, size // 5))
        for site in (self.world.home, self.world.away):
            site.log.clear()
            site.requests.clear()

    def _start(self) -> Running:
        self.tally.runs += 1
        self._asked = len(self.world.home.log)
        words = ("mirror", self.world.url, self.dest, "-q", "-j", 4, "-H", SECRET, *self._options)
        running = self._program.start_raw(*self._words, *words)
        while len(self.world.home.log) == self._asked and running.process.poll() is None:
            time.sleep(0.002)
        self._began = time.monotonic()
        return running

    def _kill(self, running: Running) -> None:
        time.sleep(self.chance.uniform(0, self._span))
        going = running.process.poll() is None
        running.kill()
        code = running.process.returncode
        self.tally.killed += going and code == -9
        self._judge("after kill -9" if going else f"after exit {code}", None if going else code)

    def _complete(self) -> None:
        for number in range(TRIES):
            ended = self._start().finish()
            self._span = 0.7 * self._span + 0.3 * min(time.monotonic() - self._began, 1.0)
            self._judge(f"after exit {ended.code}", ended.code)
            if ended.code == 0:
                return
            if ended.code != 5:
                self._say(f"run {number}: exit {ended.code}: {ended.err[-300:]}")
        self._say("did not converge")

    def _judge(self, when: str, code: int | None) -> None:
        found = [*flaws(self.dest, self.world.offered, code), *self.world.leaks()]
        found += litter(self.dest) if code == 0 else []
        found += [f"I3 {p} was written outside DEST" for p in self._strangers()]
        found += [f"I5 the secret is in {p}" for p in self._told()]
        for flaw in found:
            self._say(f"{when}: {flaw}")

    def _strangers(self) -> list[Path]:
        return [p for p in self.place.rglob("*") if self.dest not in (p, *p.parents) and p.name != "home"]

    def _told(self) -> list[Path]:
        files = [p for p in self.dest.rglob("*") if p.is_file() and not p.name.endswith(".tif")]
        return [p for p in files if CANARY.encode() in p.read_bytes()]

    def _say(self, words: str) -> None:
        self.tally.violations.append(f"round {self.tally.rounds} {words}")

    def close(self) -> None:
        self._program.close()
