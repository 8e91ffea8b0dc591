"""A dataset of MLHub that is listed from where its data is now; the receipt says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ...core.model import Asset, Entry, ListingRemarks
from ...core.ports import Emit, Source


@dataclass(frozen=True, slots=True)
class Moved:
    """Where the data of a dataset is now: `address` is a SOURCE, `source` the URL that says so."""

    dataset: str
    address: str
    source: str
    date: str
    others: Sequence[str] = field(default_factory=list)
    """further addresses, which are not tried"""
    note: str = ""

    @property
    def line(self) -> str:
        """A sentence for people."""
        also = f"; also at {', '.join(self.others)}" if self.others else ""
        note = f"; {self.note}" if self.note else ""
        return (
            f"Radiant MLHub closed in 2023: {self.dataset} is read from {self.address} "
            f"(recorded {self.date} from {self.source}){also}; folders and files have other names there{note}"
        )

    def remarks(self, inner: ListingRemarks) -> ListingRemarks:
        """The remarks of a listing of what is there, with this for the receipt."""
        about = {"dataset": self.dataset, "address": self.address, "source": self.source, "date": self.date}
        return ListingRemarks({**inner.receipt, "moved": about}, inner.lines, inner.decided)


class MovedSource:
    """The source at the place of a dataset; its remarks say where that is, and who says so."""

    def __init__(self, inner: Source, moved: Moved) -> None:
        self.name = inner.name
        self._inner = inner
        self._moved = moved

    async def list(self, emit: Emit, only: Sequence[str] = ()) -> None:
        async def emit_with_remark(entries: Sequence[Entry]) -> None:
            said = self._moved.remarks
            await emit([said(one) if isinstance(one, ListingRemarks) else one for one in entries])

        await emit([self._moved.remarks(ListingRemarks())])
        await self._inner.list(emit_with_remark, only)

    async def refresh(self, asset: Asset) -> Asset | None:
        return await self._inner.refresh(asset)
