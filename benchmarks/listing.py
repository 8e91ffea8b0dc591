"""Hides how the reading of a catalogue is measured: no asset is fetched, the count has to be right."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

import catalogue
import measure
from bench import Bench, turned
from clients import HERE, Client, Task
from corpus import tiny
from table import Run

COUNT = 200_000


def readers() -> list[Client]:
    """Who can tell how many assets a collection holds."""
    us = [sys.executable, "-m", "mlhub_async"]
    them = [sys.executable, str(HERE / "plain_pystac.py")]
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
            lambda task: [*them, task.stac, catalogue.COLLECTION],
        ),
    ]


def readings(bench: Bench, count: int, clients: Sequence[Client]) -> list[Run]:
    """Each reader in each round, over pages of 100 items with 10 assets each."""
    task = bench.task(f"tiny{count}", tiny(count, b""))
    turns = range(bench.rounds)
    return [_once(bench, client, task, number) for number in turns for client in turned(clients, number)]


def _once(bench: Bench, client: Client, task: Task, number: int) -> Run:
    log = bench.work / f"{client.name}.log"
    cost = measure.run(client.copy(task), log, {}, bench.limit)
    said = log.read_text(errors="replace")
    counts = {int(digits.replace(",", "")) for digits in re.findall(r"\d[\d,]*", said)}
    right = cost.code == 0 and len(task.files) in counts
    print(f"{client.name}: {len(task.files) / cost.wall:,.0f} assets per second", file=sys.stderr)
    flaw = "" if right else f"did not count {len(task.files)}: {said[-500:]}"
    return Run("listing", client.name, number, cost, flaw)
