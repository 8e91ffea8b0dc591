"""The circuit breaker of a worker: it reports what it sees, and opens and closes as the coordinator says."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ....core.errors import TransferError, Transient
from ..circuit_breaker import CircuitBreaker

Note = Callable[..., None]
"""Takes the name of an event and its arguments."""


class ReportingBreaker(CircuitBreaker):
    """Decides alone only whether its origin is `healthy`: that is no more than a reason to report answers.

    Events: `answered` (granted, probe), `failed` (url, reason, whether it is a new wave, connected, probe),
    `spent` (tokens), `denied`, `given_up` (message, kind), `released`: a probe ended undecided.
    """

    def __init__(self, note: Note, *args: Any, **fields: Any) -> None:
        super().__init__(*args, **fields)
        self._note = note

    def answered(self, generation: int, *, granted: bool) -> None:
        probe = self._is_probe(generation)
        super().answered(generation, granted=granted)
        self._note("answered", granted, probe)

    def failed(self, generation: int, url: str, reason: str, *, connected: bool = True) -> bool:
        probe = self._is_probe(generation)
        if self.open and not probe:
            return False
        self.set_healthy(False)
        self._recent_failures.append(True)
        if new_wave := generation == self.generation:
            self.generation += 1
        if probe:
            self._wait_for_word()
        self._note("failed", url, reason, new_wave, connected, probe)
        return probe and self.has_answered

    def spend(self, tokens: int) -> None:
        self.set_healthy(False)
        self._tokens = max(0, self._tokens - tokens)
        if tokens:
            self._note("spent", tokens)

    def denied(self) -> None:
        self.set_healthy(False)
        self._note("denied")

    def give_up(self, error: TransferError) -> None:
        super().give_up(error)
        self._note("given_up", error.message, error.kind)

    def release(self, generation: int) -> None:
        if self._is_probe(generation):
            self._wait_for_word()
            self._note("released")

    def _wait_for_word(self) -> None:
        self.probing, self.open_until = False, math.inf

    def obey(self, *, is_open: bool, probe: bool, verdict: tuple[str, str, bool] | None) -> bool:
        """Take over the state of the coordinator's breaker: whether it is another one than before.

        With `probe` one request may be sent.
        """
        before = self.open, self.open_until, self._verdict
        if verdict is not None and self._verdict is None:
            message, kind, passing = verdict
            error = Transient if passing else TransferError
            self._verdict = error(message, kind=kind)
        if not is_open:
            self.open = self.probing = False
        elif not (self.open and self.probing):
            self.generation += not self.open
            self.open, self.open_until = True, 0.0 if probe else math.inf
            self.set_healthy(False)
        return before != (self.open, self.open_until, self._verdict)
