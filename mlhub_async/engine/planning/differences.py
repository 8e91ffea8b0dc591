"""`diff()`: what the next mirror run would fetch, replace and prune in DEST."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from ...core.errors import UsageError
from ...core.model import Asset
from ...core.options import Options
from ...core.telemetry import Meter
from ...sources.location import Given, location_of
from ...stac.write.hrefs import DocumentLocation
from ...storage.ledger.recovery import DocumentRecords
from ..connect import store_at
from ..destination import refuse_bucket, refuse_shards
from ..finish.prune import foreseen, refuse_partial_selection
from ..report.receipt import Pruned
from ..verify.snapshot import open_ledger_copy
from .comparison import Change, Comparison, OwnerChanges, Owners
from .forecast.frame import Frame
from .plan import Plan, Save, file_url, plan_only

EachOwner = Callable[[OwnerChanges], None]


@dataclass(slots=True)
class Differences:
    """What the next run would do, by files. `plan` has the counts of the listing itself.

    `bytes` are those that the catalogue declares; `unknown_sizes` counts files without any.
    """

    plan: Plan
    dest: Path
    is_mirror: bool = False
    """DEST has a ledger"""
    files: Counter[Change] = field(default_factory=Counter)
    bytes: Counter[Change] = field(default_factory=Counter)
    unknown_sizes: Counter[Change] = field(default_factory=Counter)
    rewritten: int = 0
    """items of which only the document would be another one"""
    left: Pruned = field(default_factory=Pruned)
    """files that are not in the catalogue any more, and why `--prune` would keep them"""
    left_paths: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """That of the plan: differences are no failure."""
        return self.plan.exit_code

    @property
    def differs(self) -> bool:
        others = sum(self.files.values()) - self.files[Change.KEEP]
        return bool(others or self.rewritten or self.left_paths)

    def add(self, changes: OwnerChanges) -> None:
        """Count what becomes of one item or collection."""
        self.rewritten += changes.rewritten
        for asset, _, change, _ in changes.assets:
            self.files[change] += 1
            self.bytes[change] += asset.size or 0
            self.unknown_sizes[change] += asset.size is None

    def summary(self) -> dict[str, Any]:
        """The counts, for JSON."""
        counts = {
            change.value: {"assets": self.files[change], "bytes": self.bytes[change]} for change in Change
        }
        left = {"files": len(self.left_paths), "bytes": self.left.bytes, "refused": self.left.refused}
        return {
            "dest": str(self.dest),
            "is_mirror": self.is_mirror,
            "differs": self.differs,
            **counts,
            "rewritten": self.rewritten,
            "prune": left,
        }


async def diff(
    source: Given,
    dest: str | os.PathLike[str],
    options: Options | None = None,
    *,
    each: EachOwner | None = None,
    meter: Meter | None = None,
    save: Save | None = None,
    environ: Mapping[str, str] | None = None,
    forecast: bool = False,
) -> Differences:
    """List a source and compare it with DEST, as `mirror` with the same arguments would. Changes nothing.

    `each` is called with every item and collection. `forecast`: ask hosts for the sizes of some of the files
    that would be fetched (`found.plan.forecast`). Raises as `plan_only` does, and `StorageError` for a
    DEST that cannot be read.

        >>> found = await mlhub_async.diff("mirror/catalog.json", "another")
        >>> found.differs
        True
    """
    options, environ = options or Options(), os.environ if environ is None else environ
    refuse_bucket(dest, "diff and -n compare a catalogue with a directory only; 'plan SOURCE' counts it")
    root = Path(dest)
    store = store_at(root, options)
    store.refuse_unless_directory()
    refuse_shards(root)
    with _comparison(source, root, options, environ) as (comparison, is_mirror):
        found = Differences(Plan("", {}), root, is_mirror)
        frame = Frame() if forecast else None

        async def observe(owners: Owners) -> None:
            for changes in await comparison.changes(owners):
                found.add(changes)
                if frame is not None:
                    _add_to(frame, changes)
                if each is not None:
                    each(changes)

        found.plan = await plan_only(
            source, options, meter=meter, save=save, environ=environ, observe=observe, frame=frame
        )
    if _can_prune(options):
        found.left, found.left_paths = foreseen(root, store, found.plan.listed, options)
    return found


def _add_to(frame: Frame, changes: OwnerChanges) -> None:
    """Add the files that would be fetched."""
    for asset, _, change, _ in changes.assets:
        if change in (Change.FETCH, Change.REPLACE):
            frame.add(file_url(asset.href, ""), changes.collection, asset, partial(_same, asset))


def _same(asset: Asset) -> Asset:
    return asset


def _can_prune(options: Options) -> bool:
    """Whether what is not listed has left the catalogue: not with a selection of items."""
    try:
        refuse_partial_selection(replace(options, prune=True))
    except UsageError:
        return False
    return True


@contextmanager
def _comparison(
    source: Given, root: Path, options: Options, environ: Mapping[str, str]
) -> Iterator[tuple[Comparison, bool]]:
    """The comparison with a folder, and whether that has a mirror."""
    store = store_at(root, options)
    with open_ledger_copy(root) as (book, has_records):
        reads_documents = not has_records and root.exists() and store.has_files
        base = str(root.resolve()) if options.asset_hrefs == "absolute" else ""
        folder = location_of(source, environ, options).catalogue_folder
        documents = DocumentRecords(store.is_as_recorded, store.stat, store.read if reads_documents else None)
        where = DocumentLocation("", None, base, folder)
        yield Comparison(book, store, documents, options, where), has_records or reads_documents
