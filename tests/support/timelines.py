"""Histories of a server, a disk and the runs between them, as a machine that Hypothesis can drive.

Every run is a process and a crash is SIGKILL in earnest, at a numbered call (see `mutants/runner.py`).
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, precondition, rule

from support.changing_server import CANARY, PACED, Object, Turn, World
from support.oracle import digest, flaws
from support.server import Background, Cut, Gone, IgnoreIfRange, IgnoreRange, Status

RUNNER = Path(__file__).parents[1] / "crash" / "mutants" / "runner.py"
MANNERS = ((), (IgnoreRange(),), (IgnoreIfRange(),))
TRIES = 3


class Runner:
    """The process that runs are forked from; close it."""

    def __init__(self, mutant: str = "none") -> None:
        pipe = subprocess.PIPE
        words = [sys.executable, str(RUNNER), mutant]
        self._process = subprocess.Popen(words, stdin=pipe, stdout=pipe, encoding="utf-8")

    def run(self, url: str, dest: Path, if_exists: str, die: int) -> int:
        assert self._process.stdin is not None and self._process.stdout is not None
        job = {"url": url, "dest": str(dest), "if_exists": if_exists, "die": die, "secret": CANARY}
        print(json.dumps(job), file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())

    def close(self) -> None:
        with self._process as process:
            assert process.stdin is not None
            process.stdin.close()


class Timelines(RuleBasedStateMachine):
    """Objects come, change and go; runs end or are killed; what the disk keeps is judged after each."""

    runner: ClassVar[Runner]
    objects = Bundle("objects")

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp(prefix="mlhub-timeline-"))
        self.dest = self.place / "dest"
        self.sites = Background()
        self.sites.__enter__()
        self.world = World(self.sites.site(), self.sites.site(), random.Random(0), count=0)
        self.gone: set[int] = set()
        self.broken = False

    def teardown(self) -> None:
        self.sites.__exit__()
        shutil.rmtree(self.place)

    @initialize(target=objects)
    def the_first(self) -> int:
        return self.publish(600_000, "strong", (), declared=False, away=False)

    @rule(
        target=objects,
        size=st.sampled_from([300, 20_000, 300_000, 700_000]),
        validator=st.sampled_from(["strong", "weak", "dated", "none"]),
        manners=st.sampled_from(MANNERS),
        declared=st.booleans(),
        away=st.booleans(),
    )
    @precondition(lambda self: len(self.world.objects) < 6)
    def publish(self, size: int, validator: str, manners: Any, declared: bool, away: bool) -> int:
        paced = (PACED,) if size > 500_000 else ()
        one = Object(len(self.world.objects), size, validator, declared, away, (*paced, *manners))
        self.world.add(one)
        self.world.tell()
        return one.number

    @rule(number=objects, told=st.booleans())
    def change(self, number: int, told: bool) -> None:
        self.gone.discard(number)
        self.world.change(self.world.objects[number], told=told)

    @rule(number=objects)
    def delete(self, number: int) -> None:
        """The server has it no longer, the catalogue still lists it."""
        one = self.world.objects[number]
        self.gone.add(number)
        (self.world.away if one.away else self.world.home).things.pop(one.path, None)

    @rule(number=objects)
    def unlist_or_list_again(self, number: int) -> None:
        one = self.world.objects[number]
        one.listed = not one.listed
        if one.listed:
            self.world.offered.least[one.place] = 0
        else:
            self.world.offered.forget(one.place)
        self.world.tell()

    @rule(
        number=objects,
        cut=st.integers(0, 700_000),
        sort=st.sampled_from(["turn", "cut", "reset", "busy", "gone"]),
    )
    def trouble(self, number: int, cut: int, sort: str) -> None:
        one = self.world.objects[number]
        if number in self.gone or (sort == "turn" and one.declared):
            return
        faults = (self.world.away if one.away else self.world.home).things[one.path].faults
        if len(faults) < 3:
            turn = [Cut(cut % one.size), Turn(self.world, one)]
            sorts = {"cut": [Cut(cut)], "reset": [Cut(cut, rst=True)], "turn": turn, "busy": [Status(500)]}
            faults.extend(sorts.get(sort, [Gone()]))

    @rule(die=st.integers(1, 45), if_exists=st.sampled_from(["resume", "resume", "refresh", "overwrite"]))
    def run_and_be_killed(self, die: int, if_exists: str) -> None:
        self.run(if_exists, die)

    @rule(if_exists=st.sampled_from(["resume", "refresh", "overwrite"]))
    def run_to_the_end(self, if_exists: str) -> None:
        before = {one.place: one.serial for one in self.world.objects if one.listed}
        if self.run(if_exists) == 0 and if_exists != "resume":
            for place, serial in before.items():
                assert self.serial(place) >= serial, f"{place} was not made new"

    @rule()
    def converge(self) -> None:
        """A few runs are enough, and one more asks for nothing."""
        code = next((code for _ in range(TRIES) if (code := self.run("resume")) != 5), 5)
        assert code in ((0, 4) if self.gone else (0,)), code
        if code == 0:
            asked = len(self.world.home.log)
            assert self.run("resume") == 0
            assert [seen.path for seen in self.world.home.log[asked:]] == ["/items.json"]

    @rule(at=st.integers(0, 700_000))
    def spoil_what_is_unfinished(self, at: int) -> None:
        for path in self.dest.glob(".mlhub/partial/*.part"):
            body = bytearray(path.read_bytes())
            if body:
                body[at % len(body)] ^= 0xFF
                path.write_bytes(body)

    @rule(page=st.integers(0, 10))
    @precondition(lambda self: (self.dest / ".mlhub/ledger.sqlite").exists())
    def spoil_the_ledger(self, page: int) -> None:
        path = self.dest / ".mlhub/ledger.sqlite"
        body = bytearray(path.read_bytes())
        at = page % max(1, len(body) // 4096) * 4096
        body[at : at + 4096] = b"\xff" * len(body[at : at + 4096])
        path.write_bytes(body)
        self.broken = True

    def run(self, if_exists: str, die: int = 0) -> int:
        code = self.runner.run(self.world.url, self.dest, if_exists, die)
        assert code in ((0, 4, 5, -9) if die else (0, 4, 5)), code
        self.broken = self.broken and code == -9
        found = flaws(self.dest, self.world.offered, None if code == -9 else code)
        found = [words for words in found if not (self.broken and words.startswith("I2"))]
        assert found + self.world.leaks() == [], found
        if code == 4:
            assert self.missing() <= {f"o{number}" for number in self.gone}
        return code

    def missing(self) -> set[str]:
        lines = (self.dest / ".mlhub/errors.jsonl").read_text().splitlines()
        return {json.loads(line)["item"] for line in lines}

    def serial(self, place: str) -> int:
        return self.world.offered.serial(place, digest(self.dest / place))
