"""Measures how fast a catalogue is listed: no asset is fetched, and the count has to be right."""

from __future__ import annotations

import re
import sys

import catalogue
import measure
from bench import Bench, rotated
from clients import HERE, Client, Task
from corpus import tiny
from table import Run

COUNT = 200_000
LABEL = "listing"


def readers() -> list[Client]:
    """The programs that count the assets of a collection."""
    us = [sys.executable, "-m", "mlhub_async"]
    pystac = [sys.executable, str(HERE / "plain_pystac.py")]
    return [
        Client(
            "ours",
            [*us, "--version"],
            f"{sys.executable} -m pip install .",
            lambda task: [*us, "plan", task.stac, "-c", catalogue.COLLECTION],
        ),
        Client(
            "pystac-client",
            [sys.executable, "-c", "import pystac_client; print(pystac_client.__version__)"],
            f"{sys.executable} -m pip install pystac-client",
            lambda task: [*pystac, task.stac, catalogue.COLLECTION],
        ),
    ]


def count_at(scale: float) -> int:
    return max(1, int(COUNT * scale))


def readings(bench: Bench, label: str, count: int) -> list[Run]:
    """Each reader in each round, over pages of 100 items with 10 assets each."""
    task = bench.task(f"tiny{count}", tiny(count, b""))
    rounds = range(bench.rounds)
    return [_once(bench, label, client, task, n) for n in rounds for client in rotated(bench.clients, n)]


def _once(bench: Bench, label: str, client: Client, task: Task, number: int) -> Run:
    log = bench.work / f"{client.name}.log"
    cost = measure.run(client.copy(task), log, {}, bench.limit)
    output = log.read_text(errors="replace")
    counts = {int(digits.replace(",", "")) for digits in re.findall(r"\d[\d,]*", output)}
    right = cost.code == 0 and len(task.files) in counts
    print(f"{client.name}: {len(task.files) / cost.wall:,.0f} assets per second", file=sys.stderr)
    flaw = "" if right else f"did not count {len(task.files)}: {output[-500:]}"
    return Run(label, client.name, number, cost, flaw)
