"""`status`: prints the counts of a mirror's ledger."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ....core.options import Options
from ....core.telemetry import Events
from ....core.urls import is_store_address
from ....engine.verify import status
from ...terminal.console import Console
from ...terminal.output import print_lines
from .verify import refuse_for_directory


def run_status(dest: str, console: Console, bucket: Mapping[str, str | None]) -> int:
    """Raises `UsageError` if there is no mirror at `dest`. `bucket`: the options for one as DEST."""
    if is_store_address(dest):
        from ....engine.destination import bucket_of, state_folder

        address = bucket_of(dest, os.environ)
        assert address is not None
        place = state_folder(
            address, Options(endpoint_url=bucket["endpoint_url"], state=bucket["state"]), os.environ
        )
    else:
        refuse_for_directory(bucket)
        place = Path(dest)
    report = status(place)
    if console.as_json:
        Events(console.emit).emit("summary", **report.as_json())
    else:
        print_lines(report.lines())
    return 0
