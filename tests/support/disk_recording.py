"""What one run of the program did to the files below a folder, call by call, as strace saw it.

`Disk` holds the operations in order, and for each the moment from which a power cut cannot undo it.
"""

from __future__ import annotations

import itertools
import math
import os
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

NEVER = math.inf
_LINE = re.compile(r"(\d+) +(.*)")
_CALL = re.compile(r"(\w+)\((.*)\) += (-?\d+)")


@dataclass(slots=True)
class Op:
    """One change of one inode. `data` at `at`; or `size`; or, of a directory, `name` → `child` (None: gone).

    `durable`: how many operations had been done when a sync of the inode that covers it was over.
    """

    inode: int
    at: int = 0
    data: bytes | None = None
    size: int | None = None
    name: str | None = None
    child: int | None = None
    durable: float = NEVER


@dataclass(slots=True)
class Handle:
    inode: int
    at: int = 0
    append: bool = False


class AmbiguousError(Exception):
    """Two threads' calls crossed in the trace, so that their order is anybody's guess: record it again."""


class Disk:
    """The files below `base`: as they were when recording began, and every operation since."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.ops: list[Op] = []
        self.first: dict[int, bytes] = {}
        self.first_names: dict[int, dict[str, int]] = {}
        self.mtime_ns: dict[int, int] = {}
        self._inodes = itertools.count(1)
        self._names: dict[int, dict[str, int]] = {}
        self._sizes: dict[int, int] = {}
        self._handles: dict[int, Handle] = {}
        self.root = self._take_up(base)
        self.first_names = {inode: dict(names) for inode, names in self._names.items()}

    def _take_up(self, path: Path) -> int:
        inode = next(self._inodes)
        self.mtime_ns[inode] = path.stat().st_mtime_ns
        if path.is_dir():
            self._names[inode] = {one.name: self._take_up(one) for one in path.iterdir()}
        else:
            self.first[inode] = path.read_bytes()
            self._sizes[inode] = len(self.first[inode])
        return inode

    def replay(self, trace: Path) -> None:
        """Read what one process did. Calls of several threads count from when they were over, `close` from
        when it began."""
        self._handles.clear()
        begun: dict[str, tuple[str, int]] = {}
        for line in trace.read_text().splitlines():
            found = _LINE.match(line)
            if found is None:
                continue
            thread, text = found.groups()
            mark = len(self.ops)
            if text.endswith("<unfinished ...>"):
                head = text.removesuffix("<unfinished ...>")
                if head.startswith("close("):  # from now on another thread may be given the same number
                    self._close([head.removeprefix("close(").strip()], 0)
                    head = ""
                begun[thread] = (head, mark)
                continue
            if text.startswith("<..."):
                head, mark = begun.pop(thread)
                text = head + text.partition("resumed>")[2]
            self._call(text, mark)
        try:
            self._note_times(self.base, self.root)
        except FileNotFoundError as lost:
            raise AmbiguousError(f"{lost.filename} is in the recording and not on the disk") from None

    def _call(self, text: str, mark: int) -> None:
        found = _CALL.match(text)
        if found is None or int(found[3]) < 0:
            return
        name = {"fdatasync": "fsync", "renameat2": "renameat", "rmdir": "unlink"}.get(found[1], found[1])
        words = [_word(word.strip()) for word in found[2].split(", ")]
        if name == "fsync":
            self._fsync(words[0], mark)
        else:
            CALLED[name](self, words, int(found[3]))

    def _note_times(self, path: Path, inode: int) -> None:
        self.mtime_ns[inode] = path.stat().st_mtime_ns
        for name, child in self._names.get(inode, {}).items():
            self._note_times(path / name, child)

    def _place(self, folder: str, path: str) -> tuple[int, str] | None:
        """The directory that a path leads to and the name in it; None for what is not below `base`."""
        if folder == "AT_FDCWD":
            below = os.path.relpath(path, self.base)
            parts, inode = below.split("/"), self.root
        else:
            handle = self._handles.get(int(folder))
            if handle is None:
                return None
            parts, inode = path.split("/"), handle.inode
        for part in parts[:-1]:
            if part not in self._names.get(inode, {}):
                return None
            inode = self._names[inode][part]
        return inode, parts[-1]

    def _set(self, folder: int, name: str, child: int | None) -> None:
        self.ops.append(Op(folder, name=name, child=child))
        if child is None:
            self._names[folder].pop(name, None)
        else:
            self._names[folder][name] = child

    def _openat(self, words: list[str], fd: int) -> None:
        place = self._place(words[0], words[1])
        if place is None:
            return
        folder, name = place
        inode = self.root if name == "." else self._names[folder].get(name)
        if inode is None:
            if "O_CREAT" not in words[2]:
                return
            inode = next(self._inodes)
            self.first[inode], self._sizes[inode] = b"", 0
            self._set(folder, name, inode)
        elif "O_TRUNC" in words[2]:
            self._resize(inode, 0)
        self._handles[fd] = Handle(inode, append="O_APPEND" in words[2])

    def _resize(self, inode: int, size: int) -> None:
        if self._sizes[inode] != size:
            self.ops.append(Op(inode, size=size))
            self._sizes[inode] = size

    def _close(self, words: list[str], _: int) -> None:
        self._handles.pop(int(words[0]), None)

    def _write(self, words: list[str], done: int) -> None:
        handle = self._handles.get(int(words[0]))
        if handle is not None:
            at = self._sizes[handle.inode] if handle.append else handle.at
            self._put(handle.inode, at, words[1], done)
            handle.at = at + done

    def _pwrite(self, words: list[str], done: int) -> None:
        handle = self._handles.get(int(words[0]))
        if handle is not None:
            self._put(handle.inode, int(words[3]), words[1], done)

    def _put(self, inode: int, at: int, data: str, done: int) -> None:
        self.ops.append(Op(inode, at=at, data=data.encode("latin-1")[:done]))
        self._sizes[inode] = max(self._sizes[inode], at + done)

    def _lseek(self, words: list[str], at: int) -> None:
        if (handle := self._handles.get(int(words[0]))) is not None:
            handle.at = at

    def _ftruncate(self, words: list[str], _: int) -> None:
        if (handle := self._handles.get(int(words[0]))) is not None:
            self._resize(handle.inode, int(words[1]))

    def _fsync(self, fd: str, mark: int) -> None:
        """It covers what was over when it began, and is to be counted on when it is over itself."""
        handle = self._handles.get(int(fd))
        for op in self.ops[:mark] if handle is not None else ():
            if op.inode == handle.inode and op.durable == NEVER:
                op.durable = len(self.ops)

    def _rename(self, words: list[str], _: int) -> None:
        at = ["AT_FDCWD", words[0], "AT_FDCWD", words[1]] if len(words) == 2 else words
        source, target = self._place(at[0], at[1]), self._place(at[2], at[3])
        if source is not None and target is not None:
            self._set(*target, self._names[source[0]][source[1]])
            self._set(*source, None)

    def _link(self, words: list[str], _: int) -> None:
        at = ["AT_FDCWD", words[0], "AT_FDCWD", words[1]] if len(words) == 2 else words
        source, target = self._place(at[0], at[1]), self._place(at[2], at[3])
        if source is not None and target is not None:
            self._set(*target, self._names[source[0]][source[1]])

    def _unlink(self, words: list[str], _: int) -> None:
        place = self._place(*(["AT_FDCWD", words[0]] if len(words) == 1 else words[:2]))
        if place is not None:
            self._set(*place, None)

    def _mkdir(self, words: list[str], _: int) -> None:
        place = self._place(*(["AT_FDCWD", words[0]] if len(words) == 2 else words[:2]))
        if place is not None:
            inode = next(self._inodes)
            self._names[inode], self.first_names[inode] = {}, {}
            self._set(*place, inode)

    def of_inode(self) -> dict[int, list[int]]:
        """The numbers of the operations on each inode."""
        found: dict[int, list[int]] = defaultdict(list)
        for number, op in enumerate(self.ops):
            found[op.inode].append(number)
        return found


def _word(word: str) -> str:
    """An argument as strace shows it; what was a string, byte for byte."""
    if not word.startswith('"'):
        return word
    return bytes.fromhex(word.strip('".').replace("\\x", "")).decode("latin-1")


CALLED: dict[str, Callable[[Disk, list[str], int], None]] = {
    "openat": Disk._openat,
    "close": Disk._close,
    "write": Disk._write,
    "pwrite64": Disk._pwrite,
    "lseek": Disk._lseek,
    "ftruncate": Disk._ftruncate,
    "rename": Disk._rename,
    "renameat": Disk._rename,
    "link": Disk._link,
    "linkat": Disk._link,
    "unlink": Disk._unlink,
    "unlinkat": Disk._unlink,
    "mkdir": Disk._mkdir,
    "mkdirat": Disk._mkdir,
}
