"""A source without a search by time, where `--split` was asked for."""

from __future__ import annotations

from collections.abc import Sequence

from ...core.model import Asset
from ...core.ports import Emit, Source
from .split import SplitReport


class UnsplitSource:
    """It is read as it is, with a remark."""

    def __init__(self, inner: Source) -> None:
        self.name = inner.name
        self._inner = inner

    async def list(self, emit: Emit, only: Sequence[str] = ()) -> None:
        if only:
            await self._inner.list(emit, only)
            return
        report = SplitReport()
        await emit([report.remarks()])
        await self._inner.list(emit)
        report.add_whole("this kind of source has no search by time that could be cut")
        await emit([report.remarks()])

    async def refresh(self, asset: Asset) -> Asset | None:
        return await self._inner.refresh(asset)
