"""What `serve-demo` does: keep the embedded sample catalogue running."""

from __future__ import annotations

from typing import Any

from ...demo import DemoConfig, run_forever
from ..output import plain, tell
from ..runner import Stop, run


def run_serve_demo(given: dict[str, Any]) -> int:
    config = config_of(given)
    return run(lambda: run_forever(config, _announce), Stop(tell))


def config_of(given: dict[str, Any]) -> DemoConfig:
    """The demo as the `SAMPLE` options want it."""
    return DemoConfig(**{name: value for name, value in given.items() if value is not None})


def _announce(line: str) -> None:
    print(plain(line), flush=True)
