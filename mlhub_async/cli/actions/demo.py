"""What `demo` does: mirror the embedded sample catalogue, without a key or a network."""

from __future__ import annotations

import os
from typing import Any

from ...core.options import Options, Selection
from ...demo import DemoConfig, run_forever, serve
from ..console import Console
from ..output import plain, say
from ..runner import Stop, run
from .mirror import copied

COLLECTION = "ref_landcovernet_v1_labels"


def run_demo(dest: str, given: dict[str, Any], screen: Console) -> int:
    config = config_of(given)
    return screen.run(lambda: _demo(dest, config, screen))


async def _demo(dest: str, config: DemoConfig, screen: Console) -> int:
    options = Options(selection=Selection(collections=(COLLECTION,)))
    async with serve(config) as site:
        screen.say(f"a sample of MLHub runs at {site.root}; mirroring its collection {COLLECTION}")
        environ = {**os.environ, "MLHUB_ROOT_URL": site.root, "MLHUB_API_KEY": site.key}
        code = await copied("mlhub", dest, options, screen, environ)
    for line in _look_around(dest) if code == 0 else ():
        screen.say(line)
    return code


def _look_around(dest: str) -> list[str]:
    catalog, receipt = os.path.join(dest, "catalog.json"), os.path.join(dest, ".mlhub", "receipt.json")
    return [
        "Now look around:",
        f"  {catalog}: the copy is a STAC catalogue itself; in Python:",
        f"      import pystac; pystac.Catalog.from_file({catalog!r}).describe()",
        f"  {receipt}: what was selected, and how each file was verified",
        f"  mlhub-async verify {dest}: proves it again, offline",
        f"  mlhub-async demo {dest}: a second time, and nothing is fetched twice",
    ]


def run_serve_demo(given: dict[str, Any]) -> int:
    config = config_of(given)
    return run(lambda: run_forever(config, _announce), Stop(say))


def config_of(given: dict[str, Any]) -> DemoConfig:
    """The demo as the `SAMPLE` options want it."""
    return DemoConfig(**{name: value for name, value in given.items() if value is not None})


def _announce(line: str) -> None:
    print(plain(line), flush=True)
