"""Runs the engine in the loop of the test, as a Python program would: nothing waits between tries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlhub_async import Options, Report, RetryPolicy, Selection, mirror
from mlhub_async.core.model import Asset, Job, Outcome, Proof, Record, Status
from support.mirrored import Mirrored

AT_ONCE = RetryPolicy(attempts=3, base=0)
USUAL: dict[str, Any] = {}
"""What `pytest --transport` asks of every run that does not say otherwise."""


def chosen(selection: Selection | None = None, **options: Any) -> Options:
    return Options(selection or Selection(), **{**USUAL, **options})


async def run(source: Any, dest: Path, *collections: str, **options: Any) -> Report:
    """Mirror with these options; `collections` are what is selected of SOURCE."""
    usual = {"retry": AT_ONCE, "allow_private": True, **options}
    return await mirror(source, dest, chosen(Selection(collections=collections), **usual))


async def ended(items: Any, dest: Path, **options: Any) -> tuple[int, str]:
    """Exit code of a run, and the kind of failure of the item `one`."""
    report = await run(items, dest, **options)
    mirrored = Mirrored(dest)
    mirrored.check(report.exit_code)
    assert mirrored.partial == []
    return report.exit_code, mirrored.failed.get("one", "")


def done(name: str) -> Outcome:
    """What the engine says of a file of one byte that came."""
    job = Job(Asset(f"https://h.test/{name}.tif", "data", name, "c1"), f"c1/{name}/data.tif")
    return Outcome(job, Status.FETCHED, Record(job.path, 1, "0" * 64, 1, Proof.SIZE))
