"""How an exchange ends that does not end well: what came is no answer, or not all of it came."""

from __future__ import annotations


class BadAnswerError(Exception):
    """The bytes that came are no HTTP response that could be trusted."""


class DroppedError(Exception):
    """The connection ended before the answer did.

    `begun`: something of the answer had come; `headed`: its whole head, so that it is the body that is cut.
    """

    def __init__(self, begun: bool, headed: bool, cause: Exception | None) -> None:
        super().__init__("connection lost")
        self.begun = begun
        self.headed = headed
        self.cause = cause
