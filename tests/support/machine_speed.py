"""A limit on CPU time that scales with the speed of the machine, to find work that grows too fast."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

REFERENCE_SECONDS = 0.03
"""CPU time of `_reference_work` on the machine where the limits in the tests were chosen."""


def _reference_work() -> float:
    began = time.process_time()
    sum(number * number % 7 for number in range(500_000))
    return time.process_time() - began


@contextmanager
def cpu_seconds_below(limit: float) -> Iterator[None]:
    """The block must use less CPU time than `limit`, or than a slower machine needs for as much work.

    CPU time of this process does not depend on what else runs on the machine.
    """
    began = time.process_time()
    yield
    used = time.process_time() - began
    assert used < limit or used < limit * _reference_work() / REFERENCE_SECONDS
