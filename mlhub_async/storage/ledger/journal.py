"""What was settled since the last database commit: one line each, appended before anything else happens.

Two files take turns: while the rows of one are being committed, the other takes the new ones.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import orjson

from ..local.directories import state_error
from .rows import ROW, Row


class Journal:
    """Append-only. It survives SIGKILL: a written line is the kernel's; a torn last line is ignored."""

    def __init__(self, directory: Path) -> None:
        self._paths = [directory / "journal.0", directory / "journal.1"]
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
        self._fds = [os.open(path, flags, 0o600) for path in self._paths]
        self._current = 0

    def left(self) -> list[Row]:
        """The rows that a killed run did not get to commit."""
        return [row for path in self._paths for row in _rows(path.read_bytes())]

    def append(self, row: Row) -> None:
        """Raises `StorageError` where the disk does not take the line: then nothing of it is there."""
        line = orjson.dumps(row) + b"\n"
        fd = self._fds[self._current]
        try:
            if (written := os.write(fd, line)) != len(line):
                os.ftruncate(fd, os.fstat(fd).st_size - written)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise state_error(error, self._paths[0].parent) from None

    def turn(self) -> int:
        """Let the other file take over; returns the number of the one to `clear` after the commit."""
        before, self._current = self._current, 1 - self._current
        return before

    def clear(self, number: int | None = None) -> None:
        for index in (0, 1) if number is None else (number,):
            os.ftruncate(self._fds[index], 0)

    def close(self) -> None:
        for fd in self._fds:
            os.close(fd)


def _rows(data: bytes) -> list[Row]:
    rows: list[Row] = []
    for line in data.split(b"\n"):
        try:
            row = orjson.loads(line)
        except ValueError:
            continue  # torn: the run was killed while it wrote this line
        if isinstance(row, list) and len(row) == ROW:
            rows.append(tuple(row))
    return rows
