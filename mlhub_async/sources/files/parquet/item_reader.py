"""The items in the rows of one Parquet file, row group by row group."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from ....core.model import JsonObject
from ....core.options import Selection
from .row_choice import RowChoice
from .rows import items_of_batch, libraries

ROWS = 500
"""Rows that become items at a time."""
CHOICE_ROWS = 50_000
"""Rows of a few columns that are looked at at a time."""
WHOLE_BYTES = 16 << 20
"""A row group of up to so many packed bytes is read at once, by few requests; a larger one in pieces."""
PIECE_BYTES = 512 << 10
"""Of each column of a large row group."""


class ItemReader:
    """An open file, or what pyarrow reads as one. To be used in a thread, one call at a time.

    Raises what pyarrow raises for what is no Parquet file, or no whole one.
    """

    def __init__(self, source: Any, selection: Selection) -> None:
        self._source = source
        self._file = libraries()[1].ParquetFile(source)
        self._in_pieces: Any = None
        schema, columns = self._file.schema_arrow, self._file.schema
        paths = [columns.column(at).path for at in range(len(columns))]
        self.names: list[str] = schema.names
        if len(set(self.names)) < len(self.names):
            twice = next(name for name in self.names if self.names.count(name) > 1)
            raise ValueError(f"several of its columns are named {twice}")
        self._choice = RowChoice(selection, schema, paths)

    def items(self) -> Iterator[list[JsonObject]]:
        """Those that may be selected, some at a time."""
        metadata = self._file.metadata
        groups = [metadata.row_group(number) for number in range(self._file.num_row_groups)]
        _require_rows(sum(group.num_rows for group in groups), metadata)
        for number, group in enumerate(groups):
            ruled_out = not self._choice.may_have(group)
            columns = self._choice.columns(ruled_out=ruled_out)
            if ruled_out and not columns:
                continue
            file = self._reader_of(group)
            mask = None
            if columns:
                batches = file.iter_batches(
                    CHOICE_ROWS, row_groups=[number], columns=columns, use_threads=False
                )
                masks = [self._choice.rows(batch, ruled_out=ruled_out) for batch in batches]
                mask = libraries()[0].chunked_array(masks, "bool").combine_chunks()
                _require_rows(len(mask), group)
            yield from _items(file, number, mask)

    def _reader_of(self, group: Any) -> Any:
        """What reads a row group: what is read at once is in memory until all of it has been used."""
        if sum(group.column(at).total_compressed_size for at in range(group.num_columns)) <= WHOLE_BYTES:
            return self._file
        if self._in_pieces is None:
            options = {"metadata": self._file.metadata, "pre_buffer": False, "buffer_size": PIECE_BYTES}
            self._in_pieces = libraries()[1].ParquetFile(self._source, **options)
        return self._in_pieces


def _items(file: Any, number: int, mask: Any) -> Iterator[list[JsonObject]]:
    """Those of the rows of a row group that a mask has, of all rows without one."""
    group = file.metadata.row_group(number)
    at, left = 0, group.num_rows if mask is None else mask.true_count
    if not left:
        return
    for batch in file.iter_batches(ROWS, row_groups=[number], use_threads=False):
        pieces = [batch] if mask is None else _chosen(batch, mask.slice(at, batch.num_rows))
        at += batch.num_rows
        for chosen in pieces:
            if chosen.num_rows:
                yield items_of_batch(chosen)
                left -= chosen.num_rows
        if left == 0:
            return
    _require_rows(at, group)


def _require_rows(count: int, metadata: Any) -> None:
    """Raise `ValueError` where other rows of a file or a row group can be read than its metadata counts:
    pyarrow takes the early end of a column for the end of all."""
    if count != metadata.num_rows:
        raise ValueError(f"{count} rows can be read where there should be {metadata.num_rows}")


def _chosen(batch: Any, mask: Any) -> list[Any]:
    """The rows of a batch that a mask has; in runs where a column is of a type that pyarrow does not filter,
    such as the views of text that DataFusion and Polars write."""
    try:
        return [batch.filter(mask)]
    except libraries()[0].ArrowNotImplementedError:
        runs, at = [], 0
        for wanted, run in groupby(mask.to_pylist()):
            count = sum(1 for _ in run)
            runs += [batch.slice(at, count)] * bool(wanted)
            at += count
        return runs
