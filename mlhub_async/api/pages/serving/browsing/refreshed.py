"""A value that takes long to make: the last one is there at once, while a new one is made."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Generic, TypeVar

from .....core.errors import MlhubError

Value = TypeVar("Value")


class Refreshed(Generic[Value]):
    """`make` blocks and is called in a thread, by one at a time; `version` says what its value is of."""

    def __init__(self, make: Callable[[], Value], version: Callable[[], object]) -> None:
        self._make = make
        self._version = version
        self._made: tuple[object, Value] | None = None
        self._task: asyncio.Task[None] | None = None

    async def current(self, seconds: float) -> Value | None:
        """The value of now if it is there within so many seconds, else the last one, None for the first."""
        version = await asyncio.to_thread(self._version)
        if self._made is None or self._made[0] != version:
            if self._task is None:
                self._task = asyncio.create_task(self._refresh(version))
            await asyncio.wait([self._task], timeout=seconds)
        return None if self._made is None else self._made[1]

    async def _refresh(self, version: object) -> None:
        try:
            with contextlib.suppress(MlhubError):  # the mirror has gone meanwhile: other requests say so
                self._made = (version, await asyncio.to_thread(self._make))
        finally:
            self._task = None

    async def close(self) -> None:
        """Give up what is being made; its thread ends by itself."""
        if (task := self._task) is not None:
            task.cancel()
            await asyncio.wait([task])
