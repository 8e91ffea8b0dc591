"""Hill climbing: finds the best number of concurrent requests or streams by trial."""

from __future__ import annotations


class HillClimber:
    """A number that is changed on trial, and kept where the rate grows. The owner measures and decides.

    At first it doubles, as TCP's slow start does; once that does not pay it changes in the owner's steps.
    After a trial that did harm there is a `cooldown`, in seconds, which doubles with each further one.
    """

    def __init__(self, first: int, most: int, cooldown: float) -> None:
        self.allowed = min(first, most)
        """the number in use now, which may be on trial"""
        self.settled = self.allowed
        """the best number found so far"""
        self.rate = 0.0
        """the rate per second that was measured with the settled number"""
        self._most = most
        self._doubling = True
        self._cooldown = cooldown
        self._cool_at = 0.0

    def settle(self, number: int, rate: float) -> None:
        """This number is the best so far, with `rate` per second."""
        self.settled, self.rate = number, rate

    def climb(self, step: int, most: int) -> None:
        """Try a larger number than the settled one, at most `most`."""
        self.allowed = min(2 * self.settled if self._doubling else self.settled + step, most)

    def fall_back(self) -> None:
        """The trial failed: use the settled number."""
        self.allowed, self._doubling = self.settled, False

    def lower(self, number: int) -> None:
        """The number in use is too large: back to the settled one, or to `number` where it is no trial."""
        if self.allowed <= self.settled:
            self.settled = number
        self.fall_back()

    def start_cooldown(self, now: float) -> None:
        """The last trial did harm. `now` is in seconds."""
        self._cool_at = now + self._cooldown
        self._cooldown *= 2

    def is_cool(self, now: float) -> bool:
        """Whether the last cooldown is over."""
        return now >= self._cool_at
