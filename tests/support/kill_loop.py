"""The kill -9 loop: runs of the program are killed at random moments, and each state is judged."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from support.changing_archive import ArchiveWorld
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


class Processes(NamedTuple):
    """How many a run has, and which is killed: "coordinator" or "worker"."""

    number: int = 1
    victim: str = "coordinator"


ONE_PROCESS = Processes()


@contextmanager
def looping(
    place: Path,
    seed: int,
    *,
    program: Sequence[str] = PROGRAM,
    count: int = 20,
    huge: int = 0,
    archive: str = "",
    processes: Processes = ONE_PROCESS,
    still: bool = False,
) -> Iterator[Loop]:
    """`huge`: so many more objects are large enough to be brought in parts, and are.

    `archive`: a kind of archive that has the objects, with a catalogue in it where the seed is even.
    `still`: no object changes; then one run after the kill has to make the mirror that one process makes.
    """
    with Background() as sites:
        home, away, chance = sites.site(), sites.site(), random.Random(seed)
        world: World | ArchiveWorld
        if archive:
            world = ArchiveWorld(home, away, chance, archive, count, stac=seed % 2 == 0)
        else:
            world = World(home, away, chance, count, huge, still=still)
        options: tuple[object, ...] = ("--parts", 3) if huge else ()
        if processes.number > 1:
            options += ("--processes", processes.number)
        loop = Loop(place, world, chance, program, options, processes.victim, still=still)
        try:
            yield loop
        finally:
            loop.close()


def children_of(pid: int) -> list[int]:
    """The process ids of the children of a process (Linux)."""
    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found


def manifest_of(dest: Path) -> str:
    """What the receipt of a mirror says of all its files."""
    found: str = json.loads((dest / ".mlhub/receipt.json").read_bytes())["manifest_sha256"]
    return found


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
        world: World | ArchiveWorld,
        chance: random.Random,
        program: Sequence[str],
        options: Sequence[object],
        victim: str = "coordinator",
        *,
        still: bool = False,
    ) -> None:
        self.place = place
        self.chance = chance
        self.world = world
        self._options = options
        self._victim = victim
        self.tally = Tally()
        self.dest = place / "dest"
        self._words = program
        self._span = 0.3
        (place / "home").mkdir()
        self._program = Program(place / "home")
        self._manifest = self._manifest_of_one_process() if still else ""

    def _manifest_of_one_process(self) -> str:
        """That of a run which nobody disturbs."""
        reference = self.place / "home/reference"
        ended = self._program.start_raw(*self._words, *self._mirror(reference)).finish()
        assert ended.code == 0, ended.err
        manifest = manifest_of(reference)
        shutil.rmtree(reference)
        return manifest

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
        running = self._program.start_raw(*self._words, *self._mirror(self.dest), *self._options)
        while len(self.world.home.log) == self._asked and running.process.poll() is None:
            time.sleep(0.002)
        self._began = time.monotonic()
        return running

    def _mirror(self, dest: Path) -> tuple[object, ...]:
        return ("mirror", self.world.url, dest, "-q", "-j", 4, "-H", SECRET)

    def _kill(self, running: Running) -> None:
        time.sleep(self.chance.uniform(0, self._span))
        if self._victim == "worker":
            self._kill_worker(running)
            return
        going = running.process.poll() is None
        running.kill()
        code = running.process.returncode
        self.tally.killed += going and code == -9
        self._judge("after kill -9" if going else f"after exit {code}", None if going else code)

    def _kill_worker(self, running: Running) -> None:
        """Kill one of the workers, and let the run go on to its end."""
        if workers := children_of(running.process.pid):
            with suppress(ProcessLookupError):
                os.kill(self.chance.choice(workers), signal.SIGKILL)
                self.tally.killed += 1
        ended = running.finish()
        self._judge(f"after a killed worker and exit {ended.code}", ended.code)
        if ended.code not in (0, 5):
            self._say(f"a run with a killed worker: exit {ended.code}: {ended.err[-300:]}")

    def _complete(self) -> None:
        for number in range(TRIES):
            ended = self._start().finish()
            self._span = 0.7 * self._span + 0.3 * min(time.monotonic() - self._began, 1.0)
            self._judge(f"after exit {ended.code}", ended.code)
            if ended.code == 0:
                if self._manifest:
                    self._compare_with_one_process(number)
                return
            if ended.code != 5:
                self._say(f"run {number}: exit {ended.code}: {ended.err[-300:]}")
        self._say("did not converge")

    def _compare_with_one_process(self, reruns: int) -> None:
        """One run is enough, `verify` finds nothing, and the files are those of an undisturbed run."""
        if reruns:
            self._say(f"{reruns + 1} runs were needed")
        verified = self._program.start_raw(*self._words, "verify", self.dest).finish()
        if verified.code != 0:
            self._say(f"verify: exit {verified.code}: {verified.err[-300:]}")
        if (manifest := manifest_of(self.dest)) != self._manifest:
            self._say(f"manifest_sha256 is {manifest}, not {self._manifest}")

    def _judge(self, when: str, code: int | None) -> None:
        found = [*flaws(self.dest, self.world.offered, code), *self.world.leaks()]
        found += litter(self.dest) if code == 0 else []
        if code == 0 and (self.dest / ".mlhub/unpacked/data").exists():
            found.append("I6 unpacked members are left")
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
