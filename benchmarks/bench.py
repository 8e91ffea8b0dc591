"""One comparison of clients: a catalogue, the clients in turn, every copy checked and then removed."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import catalogue
import check
import measure
from clients import Client, Task
from corpus import File
from server import Server
from table import Run


@dataclass(frozen=True, slots=True)
class Bench:
    """What all comparisons of one call share. `limit`: seconds for one run of one client.

    `once`: names of slow clients, which take part in the first round only.
    """

    work: Path
    server: Server
    clients: Sequence[Client]
    versions: Mapping[str, str]
    rounds: int
    limit: float
    scale: float = 1.0
    once: Collection[str] = ()

    @property
    def kind(self) -> str:
        """How the files are served: the scheme, and the delay if there is one."""
        scheme = self.server.base.partition(":")[0]
        return f"{scheme}, {self.server.delay * 1000:g} ms" if self.server.delay else scheme

    def label(self, what: str) -> str:
        """The name of the runs of a comparison."""
        return f"{what}, {self.kind}"

    def only(self, *names: str, rounds: int = 0) -> Bench:
        """The same with these clients only, as far as they are installed."""
        some = [client for client in self.clients if client.name in names]
        return replace(self, clients=some, rounds=rounds or self.rounds)

    def task(self, name: str, files: Sequence[File]) -> Task:
        """Write a catalogue for `files`, which are served as /NAME/files/ITEM/NAME."""
        base = f"{self.server.base}/{name}"
        items = catalogue.write(self.server.root / name, f"{base}/stac", f"{base}/files", files)
        return Task(
            f"{base}/stac", f"{base}/files", files, items, self.work / "dest", self.work, self.server.ca
        )

    def copies(self, label: str, task: Task) -> list[Run]:
        """Every client, every round, into an empty directory."""
        return self._rounds(label, {client.name: task for client in self.clients}, fresh=True)

    def repeats(self, label: str, task: Task) -> list[Run]:
        """Every client fills a directory of its own; measured is a second run, which has nothing to fetch."""
        tasks = {client.name: self._own(task, client) for client in self.clients}
        for client in self.clients:
            self._once("first run", client, tasks[client.name], 0)
        return self._rounds(label, tasks, fresh=False)

    def _own(self, task: Task, client: Client) -> Task:
        work = self.work / client.name
        work.mkdir()
        return replace(task, dest=work / "dest", work=work)

    def _rounds(self, label: str, tasks: Mapping[str, Task], *, fresh: bool) -> list[Run]:
        runs = []
        for number in range(self.rounds):
            for client in rotated(self.clients, number):
                if number and client.name in self.once:
                    continue
                runs.append(self._once(label, client, tasks[client.name], number))
                if fresh:
                    shutil.rmtree(tasks[client.name].dest)
        return runs

    def _once(self, label: str, client: Client, task: Task, number: int) -> Run:
        part = task.part(client.part) if client.part < 1 else task
        task.dest.mkdir(parents=True, exist_ok=True)
        log = task.work / f"{client.name}.log"
        cost = measure.run(client.copy(part), log, client.env(part), self.limit)
        flaw = check.flaw(task.dest / client.below, part.files)
        if part is not task:
            start = measure.run(client.probe, task.work / "start.log", {}, self.limit)
            cost = cost.times(len(task.files) / len(part.files), start)
        if cost.code and not flaw:
            flaw = "the copy is right, but the exit code reports a failure"
        text = f"wall {cost.wall:.2f} s, CPU {cost.cpu:.2f} s, peak {cost.rss / 1e6:.0f} MB"
        print(
            f"{label}, round {number + 1}, {client.name}: {text}{flaw and '; INVALID: ' + flaw}",
            file=sys.stderr,
        )
        if flaw:
            print(log.read_text(errors="replace")[-2000:], file=sys.stderr)
        return Run(label, client.name, number, cost, flaw)


def rotated(clients: Sequence[Client], number: int) -> list[Client]:
    """The order of the clients in this round: each is first once, so that none always has warm caches."""
    start = number % len(clients)
    return [*clients[start:], *clients[:start]]
