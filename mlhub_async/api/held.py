"""Hides how long a directory that single files are brought to is held: others may have it in between."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ..storage.local.store import LocalStore


class HeldStores:
    """Stores by their directory, opened when they are needed."""

    def __init__(self, durability: str) -> None:
        self._durability = durability
        self._stores: dict[Path, LocalStore] = {}
        self._users: Counter[Path] = Counter()

    @contextlib.contextmanager
    def at(self, dest: str | os.PathLike[str]) -> Iterator[LocalStore]:
        """The store at `dest`. Raises `StorageError` or `Locked`."""
        place = Path(dest).resolve()
        store = self._stores.get(place)
        if store is None:
            store = LocalStore(Path(dest), durability=self._durability)
            try:
                store.open()
            except BaseException:
                store.close()
                raise
            self._stores[place] = store
        self._users[place] += 1
        try:
            yield store
        finally:
            self._users[place] -= 1

    def release(self, dest: str | os.PathLike[str]) -> None:
        """Let others have `dest`, unless somebody is at work there."""
        place = Path(dest).resolve()
        if place in self._stores and not self._users[place]:
            self._stores.pop(place).close()

    def close(self) -> None:
        while self._stores:
            self._stores.popitem()[1].close()
