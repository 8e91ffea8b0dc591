"""Small files that are checked and written, until they have their final names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

from ...core.errors import PartialLost, StorageError, TransferError
from ...core.model import Outcome, Status
from ..dedupe import InFlight

if TYPE_CHECKING:
    from ...core.ports import Settle, Settled
    from ..context import TransferContext


class StagedFile(InFlight):
    """A transfer, and the file that it wrote: `staged` is what `ports.Store.stage` returned."""

    __slots__ = ("staged", "url")

    url: str
    staged: str


F = TypeVar("F", bound=StagedFile)


class FinalNames(Generic[F]):
    """Gives files their names, many in one call where nothing is odd.

    `give_back`: takes a file that the disk gave no name. The general path meets that, too, and knows what to
    do.
    """

    def __init__(self, context: TransferContext, give_back: Callable[[F], None]) -> None:
        self.staged: dict[str, F] = {}
        """those that have no names yet, by path"""
        self._odd: list[Settled] = []
        """outcomes of files whose names gave them another time, or that could not be given theirs"""
        self._context = context
        self._give_back = give_back

    async def settle(self, landed: Sequence[Settled], settle: Settle) -> None:
        """Settle files that are staged, and give them their names meanwhile."""
        await settle(landed, self._place_all)
        if odd := self._odd:
            self._odd = []
            await settle(odd)

    def _place_all(self, outcomes: Sequence[Outcome]) -> Iterator[Sequence[bool]]:
        """See `ports.Place`."""
        paths = [outcome.job.path for outcome in outcomes]
        names = [(self.staged[path].staged, path) for path in paths]
        start = 0
        while start < len(outcomes):
            stop = start + self._context.store.place_ready(names[start:])
            for outcome in outcomes[start:stop]:
                self._end(self.staged.pop(outcome.job.path), outcome)
            if stop > start:
                yield [True] * (stop - start)
            if stop < len(outcomes):
                yield [self._place(outcomes[stop])]
            start = stop + 1

    def _place(self, outcome: Outcome) -> bool:
        file = self.staged.pop(outcome.job.path)
        try:
            moved = self._context.store.place(file.staged, outcome.job.path)
        except (StorageError, PartialLost):
            self._give_back(file)
            return False
        except TransferError as error:
            self._end(file, outcome._replace(status=Status.FAILED, record=None, error=error), odd=True)
            return False
        if moved is not None and outcome.record is not None:
            outcome = outcome._replace(record=outcome.record._replace(mtime_ns=moved))
        self._end(file, outcome, odd=moved is not None)
        return moved is None

    def _end(self, file: F, outcome: Outcome, *, odd: bool = False) -> None:
        if odd:
            self._odd.append((outcome, file.url))
        if outcome.record is None:
            self._context.dedupe.end(file, (), None)
        else:
            self._context.dedupe.end_first(file.url, file, outcome.record)

    def unstage(self) -> None:
        """Delete the files that have no names."""
        for file in self.staged.values():
            self._context.store.unstage(file.staged)
