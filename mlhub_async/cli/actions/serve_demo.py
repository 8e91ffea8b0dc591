"""`serve-demo`: keeps the embedded sample catalogue running until it is interrupted."""

from __future__ import annotations

from typing import Any

from ...demo import run_forever
from ..output import print_message, safe_line
from ..runner import Stop, run
from .demo import config_from


def run_serve_demo(given: dict[str, Any]) -> int:
    """Serve until a signal; `given` are the values of the `SAMPLE` options and `port`."""
    config = config_from(given)
    return run(lambda: run_forever(config, _announce), Stop(print_message))


def _announce(line: str) -> None:
    print(safe_line(line), flush=True)
