"""How fast a run was, kept in the state of DEST: from it a forecast of the next one takes its time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from ...core.telemetry import Meter
from ...storage.layout import RATES_FILE

MIN_FILES = 20
MIN_SECONDS = 10.0
"""A run of fewer files and less time says little about the next one."""


class Numbers(Protocol):
    """The store, as far as it keeps numbers for later runs."""

    def load_numbers(self, name: str) -> dict[str, int]: ...

    def save_numbers(self, name: str, numbers: Mapping[str, int]) -> None: ...


class Rates(NamedTuple):
    """What one run fetched, in seconds; the bytes are those that were received."""

    files: int
    bytes: int
    seconds: float


def save_rates(store: Numbers, meter: Meter, seconds: float) -> None:
    """Keep those of a run that says something about the next one, in place of an earlier one's."""
    if meter.received and (meter.fetched >= MIN_FILES or seconds >= MIN_SECONDS):
        milliseconds = max(1, round(seconds * 1000))
        found = {"files": meter.fetched, "bytes": meter.received, "milliseconds": milliseconds}
        store.save_numbers(RATES_FILE, found)


def load_rates(store: Numbers) -> Rates | None:
    """Those of the last run that was telling, None if there was none."""
    found = store.load_numbers(RATES_FILE)
    try:
        return Rates(found["files"], found["bytes"], found["milliseconds"] / 1000)
    except KeyError:
        return None
