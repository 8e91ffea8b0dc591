"""Runs `mirror` in the event loop of the test, without waits between retries."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mlhub_async import Options, Report, RetryPolicy, Selection, mirror
from mlhub_async.core.model import Asset, Job, Outcome, Proof, Record, Status
from support.mirrored import Mirrored

AT_ONCE = RetryPolicy(attempts=3, base=0)
DEFAULTS: dict[str, Any] = {}
"""Options that `pytest --transport` sets for every run that does not set them itself."""


def make_options(selection: Selection | None = None, **options: Any) -> Options:
    return Options(selection or Selection(), **{**DEFAULTS, **options})


async def run(source: Any, dest: Path, *collections: str, **options: Any) -> Report:
    """Mirror the given collections of a source, or all, with these options."""
    defaults = {"retry": AT_ONCE, "allow_private": True, **options}
    return await mirror(source, dest, make_options(Selection(collections=collections), **defaults))


async def is_as_listed_in_full(
    source: Any, dest: Path, report: Report, items: Iterable[Mapping[str, Any]], *collections: str
) -> bool:
    """Whether the mirror, and the report of its last run, are those of a full listing into an empty DEST."""
    fresh = dest.with_name("fresh")
    full = await run(source, fresh, *collections)
    assert report.exit_code == full.exit_code == 0 and full.selected == report.selected
    assert full.manifest_sha256 == report.manifest_sha256
    for one in items:
        path = f"{one['collection']}/{one['id']}/{one['id']}.json"
        assert (fresh / path).read_bytes() == (dest / path).read_bytes()
    shutil.rmtree(fresh)
    return True


async def run_and_check(items: Any, dest: Path, **options: Any) -> tuple[int, str]:
    """Run, check the receipt, and return the exit code and the kind of failure of the item `one`."""
    report = await run(items, dest, **options)
    mirrored = Mirrored(dest)
    mirrored.check(report.exit_code)
    assert mirrored.partial == []
    return report.exit_code, mirrored.failed.get("one", "")


def fetched(name: str) -> Outcome:
    """The outcome of an asset of one byte that was fetched."""
    job = Job(Asset(f"https://h.test/{name}.tif", "data", name, "c1"), f"c1/{name}/data.tif")
    return Outcome(job, Status.FETCHED, Record(job.path, 1, "0" * 64, 1, Proof.SIZE))
