"""Every disk that a power cut may leave behind a recorded run, within bounds, put into a folder to be judged.

What was not synced may be there, be lost, or be zeros; names and data of different files are independent.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from support.disk_recording import Disk

LOST, ZERO, KEPT = "lost", "zero", "kept"
LATEST = 12
"""So many of the operations that a cut may undo are also undone, and kept, one by one."""
MIXED = 6
"""And so often each of them is left to chance."""
UNREAD = ("lock", "reserve", "ledger.sqlite-shm")
Files = dict[str, tuple[bytes, int]]
"""Bytes and inode by path below the base."""


class PowerCuts:
    """The states of one disk: `at(moment)` gives those of a cut after so many operations."""

    def __init__(self, disk: Disk, seed: int = 1) -> None:
        self._disk = disk
        self._by_inode = disk.of_inode()
        self._chance = random.Random(seed)
        self._bytes: dict[tuple[object, ...], bytes] = {}
        self._seen: set[int] = set()

    def all(self) -> Iterator[tuple[int, Files]]:
        """Every state that differs from all before it, with its moment."""
        for moment in range(len(self._disk.ops) + 1):
            for files in self.at(moment):
                yield moment, files

    def at(self, moment: int) -> Iterator[Files]:
        pending = [n for n in range(moment) if self._disk.ops[n].durable > moment]
        for fate in self._fates(pending):
            files = self._files(moment, fate)
            mark = hash(frozenset((path, *found) for path, found in files.items() if "/partial/" not in path))
            if mark not in self._seen:
                self._seen.add(mark)
                yield files

    def end(self) -> Iterator[Files]:
        """The states that a cut after the last operation may leave, also those met before."""
        self._seen.clear()
        return self.at(len(self._disk.ops))

    def _fates(self, pending: list[int]) -> Iterator[Mapping[int, str]]:
        """All lost, all kept, names without data, data without names, one by one, and mixtures."""
        names = {n for n in pending if self._disk.ops[n].name is not None}
        yield {}
        yield dict.fromkeys(pending, KEPT)
        yield dict.fromkeys(names, KEPT)
        yield {n: KEPT if n in names else ZERO for n in pending}
        yield {n: KEPT for n in pending if n not in names}
        for one in pending[-LATEST:]:
            yield {one: KEPT}
            yield {n: KEPT for n in pending if n != one}
        for _ in range(MIXED if pending else 0):
            yield {n: self._chance.choice((LOST, ZERO, KEPT, KEPT)) for n in pending}

    def _files(self, moment: int, fate: Mapping[int, str]) -> Files:
        files: Files = {}
        self._walk(self._disk.root, "", moment, fate, files)
        return files

    def _walk(self, inode: int, above: str, moment: int, fate: Mapping[int, str], files: Files) -> None:
        names = dict(self._disk.first_names[inode])
        for number in self._by_inode.get(inode, ()):
            op = self._disk.ops[number]
            if number >= moment or (op.durable > moment and fate.get(number) != KEPT):
                continue
            if op.child is None:
                names.pop(op.name or "", None)
            else:
                names[op.name or ""] = op.child
        for name, child in names.items():
            if child in self._disk.first_names:
                files[f"{above}{name}/"] = (b"", child)
                self._walk(child, f"{above}{name}/", moment, fate, files)
            elif name not in UNREAD:
                files[above + name] = (self._content(child, moment, fate), child)

    def _content(self, inode: int, moment: int, fate: Mapping[int, str]) -> bytes:
        steps = [
            (number, KEPT if self._disk.ops[number].durable <= moment else fate.get(number, LOST))
            for number in self._by_inode.get(inode, ())
            if number < moment
        ]
        key = (inode, *steps)
        if key not in self._bytes:
            self._bytes[key] = self._written(inode, steps)
        return self._bytes[key]

    def _written(self, inode: int, steps: list[tuple[int, str]]) -> bytes:
        body = bytearray(self._disk.first[inode])
        for number, fate in steps:
            op = self._disk.ops[number]
            if fate == LOST:
                continue
            if op.data is None:
                size = op.size or 0
                body = body[:size] + bytes(max(0, size - len(body)))
                continue
            body += bytes(max(0, op.at + len(op.data) - len(body)))
            if fate == KEPT:
                body[op.at : op.at + len(op.data)] = op.data
        return bytes(body)


class Bench:
    """A folder that is made to hold one state after the other, with the mtimes that the files had."""

    def __init__(self, folder: Path, times: Mapping[int, int]) -> None:
        self.folder = folder
        self._times = times
        self._there: Files = {}
        folder.mkdir()

    def lay_out(self, files: Files) -> None:
        changed = {path for path, found in self._there.items() if files.get(path) != found}
        for path in sorted(changed, reverse=True):
            self._remove(path)
        for path, found in files.items():
            if self._there.get(path) != found:
                self._make(path, *found)

    def _remove(self, path: str) -> None:
        for below in [one for one in self._there if one.startswith(path)] if path.endswith("/") else [path]:
            del self._there[below]
        target = self.folder / path
        shutil.rmtree(target) if path.endswith("/") else target.unlink()

    def _make(self, path: str, body: bytes, inode: int) -> None:
        target = self.folder / path
        self._there[path] = (body, inode)
        if path.endswith("/"):
            target.mkdir()
            return
        target.write_bytes(body)
        if inode in self._times:
            os.utime(target, ns=(self._times[inode], self._times[inode]))
