"""`demo` and `serve-demo`: mirror the embedded sample catalogue, or serve it, without a key or a network."""

from __future__ import annotations

import os
from typing import Any

from ...core.options import Options, Selection
from ...demo import DemoConfig, run_forever, serve
from ...storage.layout import CATALOG_FILE, RECEIPT_FILE, STATE_DIR
from ..terminal.console import Console
from ..terminal.output import announce, print_message
from ..terminal.runner import Stop, run
from .mirror import mirror_and_summarise

COLLECTION = "ref_landcovernet_v1_labels"


def run_demo(dest: str, given: dict[str, Any], console: Console) -> int:
    """Mirror the sample into `dest`; `given` are the values of the `SAMPLE` options."""
    config = config_from(given)
    return console.run(lambda: _mirror_sample(dest, config, console))


def run_serve_demo(given: dict[str, Any]) -> int:
    """Serve until a signal; `given` are the values of the `SAMPLE` options and `port`."""
    config = config_from(given)
    return run(lambda: run_forever(config, announce), Stop(print_message))


async def _mirror_sample(dest: str, config: DemoConfig, console: Console) -> int:
    options = Options(selection=Selection(collections=(COLLECTION,)))
    async with serve(config) as site:
        console.say(f"the sample catalogue runs at {site.root}; mirroring its collection {COLLECTION}")
        environ = {**os.environ, "MLHUB_ROOT_URL": site.root, "MLHUB_API_KEY": site.key}
        code = await mirror_and_summarise("mlhub", dest, options, console, environ)
    for line in _next_steps(dest) if code == 0 else ():
        console.say(line)
    return code


def _next_steps(dest: str) -> list[str]:
    catalog, receipt = os.path.join(dest, CATALOG_FILE), os.path.join(dest, STATE_DIR, RECEIPT_FILE)
    return [
        "Next steps:",
        f"  {catalog}: the copy is a STAC catalogue itself; in Python:",
        f"      import pystac; pystac.Catalog.from_file({catalog!r}).describe()",
        f"  {receipt}: what was selected, and how each file was verified",
        f"  mlhub-async verify {dest}: checks the copy offline",
        f"  mlhub-async demo {dest}: a second run, which fetches nothing",
    ]


def config_from(given: dict[str, Any]) -> DemoConfig:
    """The configuration of the demo for the values of the `SAMPLE` options."""
    return DemoConfig(**{name: value for name, value in given.items() if value is not None})
