"""The circuit breaker of an origin: decides by its responses whether requests may be sent to it.

Closed: all requests are sent. Open: none is sent until a given time; waiting does not count as an attempt.
Half open: one request is sent, the probe, and its outcome closes or reopens the breaker. Whether a failed
request is repeated is decided in `retry`.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from ...core.errors import AccessLost, TransferError, Transient

MIN_FAILING_URLS = 5
"""So many different URLs that fail in a row open the breaker, if half of the last `RECENT_ANSWERS` failed.
A single URL that fails repeatedly is a problem of that resource."""
MIN_FAILURES_OF_ANY_URL = 30
"""So many failures in a row open it even if the URLs are few: each worker repeats its own URL."""
RECENT_ANSWERS = 20
MIN_WAVES_WITHOUT_CONNECTION = 2
"""So many waves of failures in which no connection was made open it, of an origin that has answered: no
resource can be the reason, however few are asked for. That is fewer than the attempts of any such failure."""
MIN_WAVES = 2
"""Failures of requests that were under way at the same time count as one wave, as when a server that restarts
closes all connections."""
MAX_PAUSE_SECONDS = 600.0
FIRST_PAUSE_SHARE = 0.25
"""The first pause as a share of the time for which the origin has served this run."""
RETRY_BUDGET_TOKENS = 500
"""Every response adds one token, up to this number; every failed attempt takes some (see `hop`)."""

MAX_REFUSALS_NEVER_GRANTED = 20
"""Refusals in a row after which no more requests are sent to an origin that never granted access."""
MAX_REFUSALS_ONCE_GRANTED = 200
"""The same for one that has granted something. It is higher because object stores answer 403 for objects that
do not exist, and because a user who may read a catalogue need not have access to all of its files."""
MAX_FINAL_REFUSALS_NEVER_GRANTED = 2
"""At the end of the run so many are enough: no further request would be lost."""
MAX_FINAL_REFUSALS_ONCE_GRANTED = 5
"""The same where assets were granted before: the last few files may be private, or the key has expired."""


class OutagePolicy(NamedTuple):
    """How long to wait for an origin that is down: at most `max_probes` probes in a row, and `max_seconds`.

    The first pause is a quarter of the time for which the origin has served this run, within
    `min_first_pause` and `max_first_pause` seconds. Each further pause is twice as long.
    """

    max_probes: int = 5
    max_seconds: float = 1800.0
    max_first_pause: float = 30.0
    min_first_pause: float = 1.0


DEFAULT_OUTAGE_POLICY = OutagePolicy()


class AccessMonitor:
    """Counts what an origin refuses in a row, and decides when its refusals are final.

    Refused credentials (401 to a request that carried ours, after they were read again) end the run. Refused
    permission (403, or 401 to a request without credentials) ends the requests to this origin alone.
    Documents and assets are counted apart: that a catalogue is readable says nothing of its files.
    """

    def __init__(self, host: str) -> None:
        self._host = host
        self.asset_granted = False
        self.denials = 0
        """refusals of permission since an asset was last granted"""
        self._credentials_accepted = {True: False, False: False}
        """for documents (True) and for assets (False)"""
        self._credentials_refused = {True: 0, False: 0}
        """refusals since such a thing was last granted"""
        self._why_none = ""
        """why there are no credentials, where that is why"""

    @property
    def has_credentials_history(self) -> bool:
        """Whether our credentials were ever accepted or refused here."""
        return any(self._credentials_accepted.values()) or any(self._credentials_refused.values())

    def grant_asset(self) -> None:
        """The origin sent an asset, with or without credentials."""
        self.asset_granted, self.denials = True, 0

    def deny(self) -> TransferError | None:
        """The origin refused access. Returns the error for all further requests if that is final."""
        self.denials += 1
        if self.denials < (MAX_REFUSALS_ONCE_GRANTED if self.asset_granted else MAX_REFUSALS_NEVER_GRANTED):
            return None
        message = f"{self._host} refused {self.denials} requests in a row: this one was not sent"
        return TransferError(message, kind="forbidden")

    def accept_credentials(self, *, document: bool) -> None:
        """The origin answered a request that carried our credentials."""
        self._credentials_accepted[document], self._credentials_refused[document] = True, 0

    def refuse_credentials(self, *, document: bool, why_none: str = "") -> None:
        """The origin refused them, or there are none. Raises `AccessLost` once that is final; until then one
        request failed.

        `why_none`: the answer of the login by which there should be some.
        """
        self._why_none = why_none
        self._credentials_refused[document] += 1
        accepted = any(self._credentials_accepted.values())
        most = MAX_REFUSALS_ONCE_GRANTED if accepted else MAX_REFUSALS_NEVER_GRANTED
        if self._credentials_refused[document] >= most:
            raise self._access_lost(document)

    def end(self) -> None:
        """All requests of the run were sent. Raises `AccessLost` if our credentials were refused
        at last.

        Accepted credentials for documents do not count for assets: many catalogues are public.
        """
        accepted, refused = self._credentials_accepted, self._credentials_refused
        most = MAX_FINAL_REFUSALS_ONCE_GRANTED if accepted[False] else MAX_FINAL_REFUSALS_NEVER_GRANTED
        if refused[False] >= most:
            raise self._access_lost(False)
        if refused[True] >= MAX_FINAL_REFUSALS_NEVER_GRANTED and not any(accepted.values()):
            raise self._access_lost(True)

    def _access_lost(self, document: bool) -> AccessLost:
        count = self._credentials_refused[document]
        if self._why_none:
            message = f"no credentials for {self._host}, {count} times in a row: {self._why_none}"
            return AccessLost(f"{message}; renew the key or login, then run again")
        message = f"{self._host} refused our credentials, {count} times in a row"
        return AccessLost(f"{message}: renew the key or header, then run again")


class CircuitBreaker:
    """Opens when its origin is down. It neither waits nor sends: after `on_change` the gate asks it again.

    A request notes the `generation` when it begins and reports it with its outcome, so that requests that
    began before the breaker opened are not taken for the probe.
    """

    def __init__(
        self,
        host: str,
        policy: OutagePolicy,
        clock: Callable[[], float],
        on_change: Callable[[], None],
        uniform: Callable[[float, float], float] = random.uniform,
        on_health: Callable[[], None] = lambda: None,
    ) -> None:
        self.access = AccessMonitor(host)
        self.healthy = False
        """all recent responses were good: the next good one need not be reported"""
        self.open = False
        self.open_until = 0.0
        self.generation = 0
        self.probing = False
        self._host = host
        self._policy = policy
        self._clock = clock
        self._on_change = on_change
        self._on_health = on_health
        """called where `healthy` has changed"""
        self._uniform = uniform
        self._verdict: TransferError | None = None
        self._first_answer_at: float | None = None
        self._failing_since = 0.0
        """time of the first of the present failures in a row"""
        self._recent_failures: deque[bool] = deque(maxlen=RECENT_ANSWERS)
        self._failing_urls: set[str] = set()
        self._streak = self._waves = self._probes = 0
        self._waves_without_connection = 0
        self._tokens = RETRY_BUDGET_TOKENS
        self._outage_since = self._first_pause = 0.0

    def set_healthy(self, healthy: bool) -> None:
        """Note whether all recent responses were good."""
        if healthy is not self.healthy:
            self.healthy = healthy
            self._on_health()

    def raise_verdict(self) -> None:
        """Raise the error for all further requests to this origin in this run, if it was given up."""
        if (verdict := self._verdict) is None:
            return
        if isinstance(verdict, Transient):
            raise Transient(verdict.message, kind=verdict.kind, tries=1)
        raise TransferError(verdict.message, kind=verdict.kind)

    @property
    def verdict(self) -> tuple[str, str, bool] | None:
        """The error for all further requests, if there is one: message, kind, whether it may pass."""
        found = self._verdict
        return None if found is None else (found.message, found.kind, isinstance(found, Transient))

    @property
    def has_answered(self) -> bool:
        """Whether the origin has sent a response in this run."""
        return self._first_answer_at is not None

    @property
    def admits(self) -> bool:
        """Whether a request may be sent now."""
        return not self.open or (not self.probing and self._clock() >= self.open_until)

    def begin_request(self) -> None:
        """A request is sent. While the breaker is open it is the probe."""
        self.probing = self.open

    def _is_probe(self, generation: int) -> bool:
        return self.open and self.probing and generation == self.generation

    def answered(self, generation: int, *, granted: bool) -> None:
        """The head of a response was received. `granted`: it is a response with an asset."""
        if self._first_answer_at is None:
            self._first_answer_at = self._clock()
        if granted:
            self.access.grant_asset()
        self._recent_failures.append(False)
        self._failing_urls.clear()
        self._streak = self._waves = self._waves_without_connection = 0
        self._tokens = min(self._tokens + 1, RETRY_BUDGET_TOKENS)
        trouble = self.open or self.access.denials > 0 or True in self._recent_failures
        if self._is_probe(generation):
            self.open = self.probing = False
            self._on_change()
        sound = self.access.asset_granted and self._tokens == RETRY_BUDGET_TOKENS
        self.set_healthy(sound and not trouble)

    def failed(self, generation: int, url: str, reason: str, *, connected: bool = True) -> bool:
        """A request failed as if the origin were down. True: it was the probe, and counts as no attempt.

        `connected`: there may have been a connection, so that the request itself may be the reason.
        """
        probe = self._is_probe(generation)
        if self.open and not probe:
            return False
        self.set_healthy(False)
        self._recent_failures.append(True)
        if not self._streak:
            self._failing_since = self._clock()
        self._streak += 1
        if len(self._failing_urls) < MIN_FAILING_URLS:
            self._failing_urls.add(url)
        if generation == self.generation:
            self._waves += 1
            self._waves_without_connection += not connected
            self.generation += 1
        if probe:
            self._probes += 1
            self._pause(reason)
        elif self._is_out():
            self._begin_outage(reason)
        return probe and self._first_answer_at is not None

    def _is_out(self) -> bool:
        if self._waves_without_connection >= MIN_WAVES_WITHOUT_CONNECTION and self.has_answered:
            return self._policy.max_probes > 0
        enough = len(self._failing_urls) >= MIN_FAILING_URLS or self._streak >= MIN_FAILURES_OF_ANY_URL
        failures = self._recent_failures
        return enough and self._waves >= MIN_WAVES and 2 * sum(failures) >= len(failures)

    def _begin_outage(self, reason: str) -> None:
        self._outage_since, self._probes = self._clock(), 0
        until = self._failing_since if self._streak else self._outage_since
        served = until - (self._first_answer_at or self._outage_since)
        longest, shortest = self._policy.max_first_pause, self._policy.min_first_pause
        self._first_pause = max(min(FIRST_PAUSE_SHARE * served, longest), shortest)
        self._pause(reason)

    def _pause(self, reason: str) -> None:
        """Open until the next probe. After the last one the origin is given up for this run."""
        now, end = self._clock(), self._outage_since + self._policy.max_seconds
        self.open, self.probing = True, False
        self.generation += 1
        if self._probes >= self._policy.max_probes or now >= end:
            waited = now - self._outage_since
            message = f"{self._host} is out: {reason}; it was given up after {waited:.0f} s, run again"
            self._verdict = Transient(message, kind="host-down")
            end = now
        pause = min(self._first_pause * 2 ** min(self._probes, 30), MAX_PAUSE_SECONDS)
        self.open_until = min(now + self._uniform(0.5, 1) * pause, end)
        self._on_change()

    def spend(self, tokens: int) -> None:
        """An attempt failed. When the retry budget is spent the breaker opens, whatever the answers were."""
        self.set_healthy(False)
        if self.open or not self._policy.max_probes:
            return
        self._tokens -= tokens
        if self._tokens <= 0:
            self._tokens = RETRY_BUDGET_TOKENS
            self._begin_outage("it answers, but nearly every attempt fails")

    def denied(self) -> None:
        """Access was refused, and not because of an expired URL."""
        self.set_healthy(False)
        if (error := self.access.deny()) is not None:
            self.give_up(error)

    def give_up(self, error: TransferError) -> None:
        """The error is permanent: from now on all requests to this origin fail with it, unsent."""
        self._verdict = self._verdict or TransferError(error.message, kind=error.kind)
        self._on_change()

    def give_up_for_now(self, message: str, kind: str) -> None:
        """The same for a condition that may have ended by a later run: the error is `Transient`."""
        self._verdict = Transient(message, kind=kind)
        self._on_change()

    def release(self, generation: int) -> None:
        """A request ended. If it was an undecided probe, another one may be sent."""
        if self._is_probe(generation):
            self.probing = False
            self._on_change()
