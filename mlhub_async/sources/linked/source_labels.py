"""Notes of which label an item is source imagery, for path templates with `${label}` or `${scene}`."""

from __future__ import annotations

from collections.abc import Sequence

from ... import stac
from ...core.model import Entry, Item
from ...core.ports import Emit


class SourceLabels:
    """The first label item that names an item as its source, by the URLs that lead to that.

    Items that are listed before any label that names them have none. What is held are a hash and an id for
    each source link.
    """

    def __init__(self) -> None:
        self._labels: dict[int, str] = {}

    def labelling(self, emit: Emit) -> Emit:
        """Emits the items with their labels."""

        async def emit_labelled(entries: Sequence[Entry]) -> None:
            for one in entries:
                if isinstance(one, Item):
                    self._note(one)
            await emit([self._labelled(one) if isinstance(one, Item) else one for one in entries])

        return emit_labelled

    def _note(self, item: Item) -> None:
        for url in stac.source_addresses(item):
            self._labels.setdefault(hash(url), item.id)

    def _labelled(self, item: Item) -> Item:
        found = (self._labels.get(hash(url)) for url in stac.addresses_of(item))
        label = next((one for one in found if one is not None), "")
        return item._replace(label=label) if label else item
