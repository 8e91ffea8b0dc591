"""Mirrors URL into DEST and removes the files of each item when it is complete, to measure the rest."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import mlhub_async
from mlhub_async import Options, Selection


async def main(url: str, dest: Path, limit: int, processes: int) -> int:
    async def discard(item: object, records: Mapping[str, object]) -> None:
        folder = dest / item.collection / item.id  # type: ignore[attr-defined]
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()

    options = Options(selection=Selection(collections=("bench",), limit=limit), processes=processes)
    report = await mlhub_async.mirror(url, dest, options, each=discard)
    print(f"exit {report.exit_code}: {report.selected} selected, {report.fetched} fetched")
    return report.exit_code


def fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The event loop of the program: uvloop where it is installed, else None."""
    try:
        loop: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module("uvloop").new_event_loop
    except ImportError:
        return None
    return loop


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        sys.exit(runner.run(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))))
