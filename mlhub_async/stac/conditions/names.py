"""Names of collections as `-c` takes them: ids, and globs of ids."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection, Iterable
from functools import lru_cache

from ...core import pattern_on_use

_GLOB = pattern_on_use(r"[*?\[]")


def has_globs(names: Iterable[str]) -> bool:
    """Whether one of the names stands for several ids."""
    return any(map(_GLOB.search, names))


class CollectionChoice:
    """The collections that are wanted; all of them where no names are given.

    In a glob `*` is any text, `?` any character, `[ab]` one of these; upper and lower case differ. An id that
    has such characters itself is matched by its own text too.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(dict.fromkeys(names))
        self._exact = frozenset(self.names)

    def __bool__(self) -> bool:
        return bool(self.names)

    def admits(self, id: str) -> bool:
        """Whether a collection with this id is wanted."""
        return not self.names or id in self._exact or any(_matches(name, id) for name in self.names)

    def expanded(self, ids: Iterable[str]) -> list[str]:
        """The names, with the ids that it matches in place of each glob. A glob that matches none is left
        out."""
        known = list(ids)
        found: dict[str, None] = {}
        for name in self.names:
            matching = [id for id in known if _matches(name, id)] if has_globs([name]) else [name]
            found.update(dict.fromkeys([*matching, name] if name in known else matching))
        return list(found)

    def unmatched(self, ids: Collection[str]) -> list[str]:
        """The names that stand for none of these ids."""
        return [name for name in self.names if name not in ids and not any(_matches(name, id) for id in ids)]


def _matches(name: str, id: str) -> bool:
    return _GLOB.search(name) is not None and _pattern(name).fullmatch(id) is not None


@lru_cache(maxsize=256)
def _pattern(glob: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(glob))
