"""How fast this machine is: what takes too long here is told from a machine that is slow."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

USUAL = 0.03
"""Seconds that `_some_work` takes where the limits of the tests were chosen."""


def _some_work() -> float:
    began = time.process_time()
    sum(number * number % 7 for number in range(500_000))
    return time.process_time() - began


@contextmanager
def taking_less_than(seconds: float) -> Iterator[None]:
    """What is done here takes less of the processor's time than so much on a machine like ours."""
    began = time.process_time()
    yield
    spent = time.process_time() - began
    assert spent < seconds or spent < seconds * _some_work() / USUAL
