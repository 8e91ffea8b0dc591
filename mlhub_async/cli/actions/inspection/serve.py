"""`serve`: a mirror over HTTP until a signal."""

from __future__ import annotations

from pathlib import Path

from ....api.pages.serving import ServeConfig, run_forever
from ...terminal.output import announce, print_message
from ...terminal.runner import Stop, run


def run_serve(dest: str, host: str, port: int | None) -> int:
    """Raises `UsageError` if there is no mirror at `dest`, or the port cannot be had."""
    config = ServeConfig(Path(dest), host, port)
    return run(lambda: run_forever(config, announce), Stop(print_message))
