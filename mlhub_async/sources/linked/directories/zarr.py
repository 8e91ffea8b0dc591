"""The files of a Zarr store, by its metadata (https://zarr-specs.readthedocs.io, versions 2 and 3).

A store has no list of its files, but its metadata tells the names of all chunks that an array may have. A
chunk that does not exist holds fill values only. Neither attributes nor the metadata of single nodes need
exist where they are consolidated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple

from ....core.errors import TransferError, Transient
from ....core.formats.directories import member_media_type
from ....core.json_text import parse_json_with_nan
from ....core.model import JsonObject, Member, Request
from ....stac.listing.directories import member_url
from ...items.streams import RawReader
from .members import check_count, not_listed

JSON = "application/json"
ROOT_V3 = "zarr.json"
CONSOLIDATED_V2 = ".zmetadata"
ARRAY_V2 = ".zarray"
GROUP_V2 = ".zgroup"
NOT_CONSOLIDATED = "it is a group without consolidated metadata, so its files are not known"


class Array(NamedTuple):
    """An array of a store: where it is in it, and how its chunks are named. `scalar`: the one of no axes."""

    path: str
    counts: tuple[int, ...]
    prefix: str
    separator: str
    scalar: str

    @property
    def size(self) -> int:
        return math.prod(self.counts)

    def chunks(self) -> Iterator[str]:
        """The paths of all chunks that it may have."""
        folder = f"{self.path}/" if self.path else ""
        if not self.counts:
            yield folder + self.scalar
            return
        for indices in product(*map(range, self.counts)):
            yield folder + self.prefix + self.separator.join(map(str, indices))


async def read_store(reader: RawReader, url: str) -> list[Member] | None:
    """The files of the store at `url`; None where nothing there is the metadata of a store.

    Raises `TransferError` for a store that cannot be listed, `Transient` where it may be another time.
    """
    refusal: TransferError | None = None
    for name, members_of in _READERS.items():
        try:
            raw, _ = await reader.read_bytes(Request(member_url(url, name)))
            body = parse_json_with_nan(raw)
            return members_of(body) if isinstance(body, dict) else None
        except Transient:
            raise
        except TransferError as error:
            if not error.absent:
                refusal = refusal or error
        except ValueError:
            continue  # a page
    if refusal is not None:
        raise refusal
    return None


def members_v3(body: JsonObject) -> list[Member]:
    """Of a zarr.json with consolidated metadata, or of one array. A shard counts as a chunk."""
    nodes = {"": body}
    if body.get("node_type") != "array":
        consolidated = body.get("consolidated_metadata")
        found = consolidated.get("metadata") if isinstance(consolidated, dict) else None
        if not isinstance(found, dict):
            raise not_listed(NOT_CONSOLIDATED)
        nodes |= found
    documents = [f"{path}/{ROOT_V3}" if path else ROOT_V3 for path in nodes]
    arrays = [_array_v3(path, one) for path, one in nodes.items() if _member(one, "node_type") == "array"]
    return _members(documents, ROOT_V3, arrays)


def members_v2(body: JsonObject) -> list[Member]:
    """Of a .zmetadata."""
    nodes = body.get("metadata")
    if not isinstance(nodes, dict):
        raise not_listed("its consolidated metadata is not that of a Zarr store")
    arrays = [
        _array_v2(path.removesuffix(ARRAY_V2).removesuffix("/"), one)
        for path, one in nodes.items()
        if path.rpartition("/")[2] == ARRAY_V2
    ]
    return _members([CONSOLIDATED_V2, *nodes], CONSOLIDATED_V2, arrays)


def _members_of_array_v2(body: JsonObject) -> list[Member]:
    return _members([ARRAY_V2, ".zattrs"], ARRAY_V2, [_array_v2("", body)])


def _members_of_group_v2(body: JsonObject) -> list[Member]:
    raise not_listed(NOT_CONSOLIDATED)


_READERS: dict[str, Callable[[JsonObject], list[Member]]] = {
    ROOT_V3: members_v3,
    CONSOLIDATED_V2: members_v2,
    ARRAY_V2: _members_of_array_v2,
    GROUP_V2: _members_of_group_v2,
}
"""By the file that they read. Where a store has the metadata of both versions, the later one counts."""


def _members(documents: Sequence[str], needed: str, arrays: Sequence[Array]) -> list[Member]:
    check_count(len(documents) + sum(array.size for array in arrays))
    found = [Member(path, JSON, None, path != needed) for path in documents]
    for array in arrays:
        found += [Member(path, member_media_type(path), None, True) for path in array.chunks()]
    return found


def _array_v2(path: str, about: Any) -> Array:
    separator = _member(about, "dimension_separator") or "."
    counts = _counts(path, _member(about, "shape"), _member(about, "chunks"))
    return Array(path, counts, "", _separator(path, separator), "0")


def _array_v3(path: str, about: JsonObject) -> Array:
    if about.get("storage_transformers"):
        raise not_listed(f"its array {path or '/'} has storage transformers, which are not known")
    grid, encoding = about.get("chunk_grid"), about.get("chunk_key_encoding", "default")
    if _name(grid) != "regular" or _name(encoding) not in ("default", "v2"):
        raise not_listed(f"the chunks of its array {path or '/'} are not named in a known way")
    counts = _counts(path, about.get("shape"), _member(_member(grid, "configuration"), "chunk_shape"))
    is_default = _name(encoding) == "default"
    separator = _member(_member(encoding, "configuration"), "separator") or ("/" if is_default else ".")
    separator = _separator(path, separator)
    return Array(path, counts, f"c{separator}" if is_default else "", separator, "c" if is_default else "0")


def _counts(path: str, shape: Any, chunks: Any) -> tuple[int, ...]:
    """How many chunks there are along each axis."""
    if not (_are_integers(shape, 0) and _are_integers(chunks, 1) and len(shape) == len(chunks)):
        raise not_listed(f"its array {path or '/'} has no shape that can be divided into chunks")
    return tuple(-(-length // chunk) for length, chunk in zip(shape, chunks, strict=True))


def _are_integers(values: Any, least: int) -> bool:
    return isinstance(values, list) and all(type(one) is int and one >= least for one in values)


def _separator(path: str, found: Any) -> str:
    if found not in (".", "/"):
        raise not_listed(f"the chunks of its array {path or '/'} are not named in a known way")
    return str(found)


def _name(extension: Any) -> Any:
    """The name of an extension point, which may be written without a configuration."""
    return extension if isinstance(extension, str) else _member(extension, "name")


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None
