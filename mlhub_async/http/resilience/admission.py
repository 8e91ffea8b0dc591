"""What became of our credentials at one origin: when it is they that are refused, not this or that file."""

from __future__ import annotations

from ...core.errors import AccessLost

IN_A_ROW = 20
"""Refusals that end the run at an origin where they never got us anything."""
OF_A_FRIEND = 200
"""The same where they did: those who may read a catalogue may still not have some of its files."""
IN_THE_END = 2
"""When all has been asked for, so many are enough: nothing is given up by saying so."""
SINCE_THEN = 5
"""The same where assets were granted before: the last few files may be closed, or the key have expired."""


class Admission:
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
