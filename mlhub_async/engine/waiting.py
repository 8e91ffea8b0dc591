"""What a run waits for on this machine, and who is told of it."""

from __future__ import annotations

import warnings
from pathlib import Path

import orjson

from ..core.errors import DiskFull, WaitsForRoom, error_json
from ..core.options import Options
from ..core.progress import human
from ..core.telemetry import Events
from ..storage.local.disk_space import Room
from ..storage.local.store import STATE


def room_for(dest: Path, options: Options, events: Events) -> Room:
    """Whether a full disk is waited for is the user's choice."""

    def told(full: DiskFull, free: int) -> None:
        warnings.warn(
            f"the disk of {dest} is full ({human(free)} free): every transfer waits until there is room;"
            " Ctrl-C ends the run, what is there is kept",
            WaitsForRoom,
            stacklevel=2,
        )
        events.tell("throttle", error=orjson.loads(error_json(full)), free=free)

    return Room(dest / STATE, patient=options.on_full == "pause", told=told)
