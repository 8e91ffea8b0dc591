"""A source about which there is something to say before it is listed."""

from __future__ import annotations

from collections.abc import Sequence

from ....core.model import Asset, Entry, ListingRemarks
from ....core.ports import Emit, Source


class RemarkedSource:
    """Adds a line for people to the remarks of a source."""

    def __init__(self, inner: Source, line: str) -> None:
        self.name = inner.name
        self.reports_split = getattr(inner, "reports_split", False)
        self._inner = inner
        self._line = line

    async def list(self, emit: Emit, only: Sequence[str] = ()) -> None:
        async def emit_with_line(entries: Sequence[Entry]) -> None:
            await emit([self._with_line(one) if isinstance(one, ListingRemarks) else one for one in entries])

        await emit([self._with_line(ListingRemarks())])
        await self._inner.list(emit_with_line, only)

    def _with_line(self, remarks: ListingRemarks) -> ListingRemarks:
        return remarks._replace(lines=(self._line, *remarks.lines))

    async def refresh(self, asset: Asset) -> Asset | None:
        return await self._inner.refresh(asset)
