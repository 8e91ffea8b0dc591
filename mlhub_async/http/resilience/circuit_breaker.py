"""What a host's answers say about asking it again: now, later, or not in this run. A breaker per origin.

Closed: all may ask. Open: nobody may until a time, and who waits loses no attempt. Half open: one may ask,
and what comes of it decides for all. What a failure means for its asset is said in `retry`.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ...core.errors import AccessLost, TransferError, Transient

STREAK = 5
"""So many URLs failing with no answer between them open the breaker, if they are also half of the last
`LOOK_BACK` answers. One URL that fails again and again is the asset's own trouble."""
LONG_STREAK = 30
"""But of whatever URLs so many failures are the host's: few workers are at few URLs for long."""
LOOK_BACK = 20
WAVES = 2
"""A server that restarts cuts all that is in flight at once: that is one event, not so many failures."""
LONGEST_PAUSE = 600.0
FIRST_PAUSE = 0.25
"""Of the time that a host has served."""
OWN_PAUSE = 60.0
"""Who waits for a host asks again after so many seconds more than it said."""
BUCKET = 500
"""Tokens for what is tried again: an answer brings one, a failure costs five, a timeout ten."""
DENIALS = 20
"""Refusals of permission in a row that end the asking, where nothing was ever granted."""
DENIALS_OF_A_FRIEND = 200
"""The same where something was: object stores say 403 for what does not exist, too."""

IN_A_ROW = 20
"""Refusals that end the run at an origin where they never got us anything."""
OF_A_FRIEND = 200
"""The same where they did: those who may read a catalogue may still not have some of its files."""
IN_THE_END = 2
"""When all has been asked for, so many are enough: nothing is given up by saying so."""
SINCE_THEN = 5
"""The same where assets were granted before: the last few files may be closed, or the key have expired."""


@dataclass(frozen=True, slots=True)
class Outage:
    """How long a host that is out is waited for: so many probes in a row, and so many seconds.

    A host is waited for by how long it has served this run: its first pause is a quarter of that, at most
    `pause`; at least `newcomer`, as for one that never answered and may as well not exist. Each further
    one is twice as long.
    """

    probes: int = 5
    longest: float = 1800.0
    pause: float = 30.0
    newcomer: float = 1.0


PATIENT = Outage()


class CircuitBreaker:
    """`changed` is called whenever who waits should look again. Nothing here waits or asks itself.

    A request takes `serial` when it begins and shows it when it ends: what was on its way before the
    breaker opened says nothing about the time after.
    """

    def __init__(
        self,
        host: str,
        outage: Outage,
        clock: Callable[[], float],
        changed: Callable[[], None],
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.calm = False
        """every recent answer was a good one: no need to tell of the next"""
        self.open = False
        self.until = 0.0
        self.serial = 0
        self.probing = False
        self._host = host
        self._outage = outage
        self._clock = clock
        self._changed = changed
        self._uniform = uniform
        self._verdict: tuple[type[TransferError], str, str] | None = None
        self._welcome = False
        self._met: float | None = None
        self._throttled: float | None = None
        """when it last said to come back later, if it has had no other answer since"""
        self._leave = self._left = 0.0
        """for how long that was, and how long it was left alone before"""
        self._trouble = 0.0
        """when the first of the present streak of failures was"""
        self._recent: deque[bool] = deque(maxlen=LOOK_BACK)
        self._failing: set[str] = set()
        self._streak = self._waves = self._probes = self._denials = 0
        self._tokens = BUCKET
        self._since = self._first = 0.0

    def refuse(self) -> None:
        """Raise what was found about this host, if that is final for this run."""
        if self._verdict is not None:
            kind_of, words, kind = self._verdict
            raise Transient(words, kind=kind, tries=1) if kind_of is Transient else kind_of(words, kind=kind)

    @property
    def admits(self) -> bool:
        return not self.open or (not self.probing and self._clock() >= self.until)

    def ask(self) -> None:
        """A request goes out: while open it is the one probe."""
        self.probing = self.open

    def _is_probe(self, serial: int) -> bool:
        return self.open and self.probing and serial == self.serial

    def answered(self, serial: int, *, granted: bool) -> None:
        """The head of an answer came. `granted`: it gave an asset out."""
        if self._met is None:
            self._met = self._clock()
        self._welcome |= granted
        if granted:
            self._denials = 0
        self._recent.append(False)
        self._failing.clear()
        self._streak = self._waves = 0
        self._throttled = None
        self._tokens = min(self._tokens + 1, BUCKET)
        trouble = self.open or self._denials or True in self._recent
        self.calm = self._welcome and self._tokens == BUCKET and not trouble
        if self._is_probe(serial):
            self.open = self.probing = False
            self._changed()

    def failed(self, serial: int, url: str, words: str) -> bool:
        """The host did not answer as a host that is up does. True if that was a probe at its own cost."""
        probe = self._is_probe(serial)
        if self.open and not probe:
            return False
        self.calm = False
        self._recent.append(True)
        if not self._streak:
            self._trouble = self._clock()
        self._streak += 1
        if len(self._failing) < STREAK:
            self._failing.add(url)
        if serial == self.serial:
            self._waves += 1
            self.serial += 1
        if probe:
            self._probes += 1
            self._pause(words)
        elif self._is_out():
            self._begin_outage(words)
        return probe and self._met is not None

    def _is_out(self) -> bool:
        enough = len(self._failing) >= STREAK or self._streak >= LONG_STREAK
        return enough and self._waves >= WAVES and 2 * sum(self._recent) >= len(self._recent)

    def _begin_outage(self, words: str) -> None:
        self._since, self._probes = self._clock(), 0
        served = (self._trouble if self._streak else self._since) - (self._met or self._since)
        self._first = max(min(FIRST_PAUSE * served, self._outage.pause), self._outage.newcomer)
        self._pause(words)

    def _pause(self, words: str) -> None:
        """Open until the next probe; after the last one the host is given up for this run."""
        now, end = self._clock(), self._since + self._outage.longest
        self.open, self.probing = True, False
        self.serial += 1
        if self._probes >= self._outage.probes or now >= end:
            text = f"{self._host} is out: {words}; it was given up after {now - self._since:.0f} s, run again"
            self._verdict = (Transient, text, "host-down")
            end = now
        pause = min(self._first * 2 ** min(self._probes, 30), LONGEST_PAUSE)
        self.until = min(now + self._uniform(0.5, 1) * pause, end)
        self._changed()

    def throttled(self, seconds: float) -> None:
        """It said when to come back. Who says nothing else for longer than any outage is given up.

        Only the time counts in which somebody waited for it: between two questions may be anything.
        """
        self.calm = False
        now = self._clock()
        if self._throttled is None:
            self._left = 0.0
        else:
            self._left += min(now - self._throttled, self._leave + OWN_PAUSE)
        self._throttled, self._leave = now, seconds
        if self._left > self._outage.longest:
            words = (
                f"{self._host} asked to be left alone again and again, "
                f"for {self._left:.0f} s: run again later"
            )
            self._verdict = (Transient, words, "throttled")
            self._changed()

    def spend(self, tokens: int) -> None:
        """An attempt failed. When all is spent everybody rests, whatever the answers were."""
        self.calm = False
        if self.open or not self._outage.probes:
            return
        self._tokens -= tokens
        if self._tokens <= 0:
            self._tokens = BUCKET
            self._begin_outage("it answers, but next to nothing comes of it")

    def denied(self) -> None:
        """Permission was refused, for good as far as anybody can tell."""
        self.calm = False
        self._denials += 1
        if self._denials >= (DENIALS_OF_A_FRIEND if self._welcome else DENIALS):
            words = f"{self._host} refused {self._denials} requests in a row: it was not asked for this one"
            self.give_up(TransferError(words, kind="forbidden"))

    def give_up(self, error: TransferError) -> None:
        """What is wrong with this host will not pass: everything else there fails likewise, unasked."""
        self._verdict = self._verdict or (TransferError, error.message, error.kind)
        self._changed()

    def release(self, serial: int) -> None:
        """A request ended without a word about the host: if it was the probe, another may be."""
        if self._is_probe(serial):
            self.probing = False
            self._changed()


class AccessMonitor:
    """Documents and assets are counted apart: who lets us read what there is may keep what it tells of.

    Refusals are those of credentials that are there now, after they were read again.
    """

    def __init__(self, host: str) -> None:
        self._host = host
        self._granted = {True: False, False: False}
        self._refused = {True: 0, False: 0}
        """since such a thing was last granted"""

    @property
    def known(self) -> bool:
        """Whether our credentials were ever shown here."""
        return any(self._granted.values()) or any(self._refused.values())

    def grant(self, *, document: bool) -> None:
        self._granted[document], self._refused[document] = True, 0

    def refuse(self, *, document: bool) -> None:
        """Raises `AccessLost` if that goes on. Until then it is the failure of what was asked for."""
        self._refused[document] += 1
        if self._refused[document] >= (OF_A_FRIEND if any(self._granted.values()) else IN_A_ROW):
            raise self._lost(document)

    def end(self) -> None:
        """All has been asked for. Raises `AccessLost` where they were refused to the last.

        That documents were granted says nothing of the assets: many a catalogue is open to all.
        """
        if self._refused[False] >= (SINCE_THEN if self._granted[False] else IN_THE_END):
            raise self._lost(False)
        if self._refused[True] >= IN_THE_END and not any(self._granted.values()):
            raise self._lost(True)

    def _lost(self, document: bool) -> AccessLost:
        words = f"{self._host} refused our credentials, {self._refused[document]} times in a row"
        return AccessLost(f"{words}: renew the key or header, then run again")
