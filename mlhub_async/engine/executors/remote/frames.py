"""Messages in a pipe: each is a pickle with its length in front. Only for pipes between our own processes."""

from __future__ import annotations

import contextlib
import pickle
import queue
import struct
import threading
from collections.abc import Callable
from typing import Any, BinaryIO

Message = tuple[Any, ...]
PIPE_BYTES = 1 << 16
"""The buffer of each end of a pipe: a message is read by one call, as a rule."""
_LENGTH = struct.Struct("<Q")


def write_message(pipe: BinaryIO, message: object) -> None:
    """Raises OSError if nobody reads the pipe any more."""
    data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    pipe.write(_LENGTH.pack(len(data)) + data)
    pipe.flush()


def read_message(pipe: BinaryIO) -> Any:
    """The next message; raises EOFError at the end of the pipe."""
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    (size,) = _LENGTH.unpack(head)
    if len(data := pipe.read(size)) < size:
        raise EOFError
    return pickle.loads(data)


class MessageWriter:
    """Writes messages in a thread of its own: a full pipe holds up nobody. Errors of the pipe are ignored.

    That the other side has gone is seen by who reads.
    """

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe = pipe
        self._queue: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write_all, name="mlhub-write", daemon=True)
        self._thread.start()

    def send(self, message: Message) -> None:
        self._queue.put(message)

    def close(self, seconds: float) -> None:
        """Write what was sent, then close the pipe: in the background, but wait so many seconds for it."""
        self._queue.put(None)
        self._thread.join(seconds)

    def _write_all(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while (message := self._queue.get()) is not None:
                write_message(self._pipe, message)
        with contextlib.suppress(OSError, ValueError):
            self._pipe.close()


def read_in_thread(
    pipe: BinaryIO, received: Callable[[Message], None], ended: Callable[[], None]
) -> threading.Thread:
    """Call `received` with each message and `ended` at the end of the pipe, in a thread of its own."""

    def read_all() -> None:
        try:
            while True:
                received(read_message(pipe))
        except (EOFError, OSError, ValueError, pickle.UnpicklingError):
            pipe.close()
            ended()

    thread = threading.Thread(target=read_all, name="mlhub-read", daemon=True)
    thread.start()
    return thread
