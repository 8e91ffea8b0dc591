"""Zarr stores as dictionaries, path → bytes, by hand: their metadata names more chunks than there are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from support.server import Site, noise

ZARR = "application/vnd+zarr"
ABSENT = 2
"""Chunks that the metadata of each store names, and that are not there."""


def array_v3(shape: list[int], chunks: list[int], **more: Any) -> dict[str, Any]:
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": shape,
        "data_type": "uint8",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunks}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": [{"name": "bytes"}],
        **more,
    }


def array_v2(shape: list[int], chunks: list[int], **more: Any) -> dict[str, Any]:
    return {"zarr_format": 2, "shape": shape, "chunks": chunks, "dtype": "|u1", "fill_value": 0, **more}


def group_v3(nodes: Mapping[str, Any]) -> dict[str, Any]:
    consolidated = {"kind": "inline", "must_understand": False, "metadata": nodes}
    return {"zarr_format": 3, "node_type": "group", "attributes": {}, "consolidated_metadata": consolidated}


def store_v3() -> dict[str, bytes]:
    """Arrays at two levels; the second array has 2 of 4 chunks."""
    nodes = {
        "t": array_v3([3, 5], [3, 3]),
        "m": {"zarr_format": 3, "node_type": "group"},
        "m/x": array_v3([4], [1]),
    }
    documents = {f"{path}/zarr.json": json.dumps(one).encode() for path, one in nodes.items()}
    chunks = {path: noise(9, seed) for seed, path in enumerate(("t/c/0/0", "t/c/0/1", "m/x/c/1", "m/x/c/3"))}
    return {"zarr.json": json.dumps(group_v3(nodes)).encode(), **documents, **chunks}


def store_v2() -> dict[str, bytes]:
    """The same of version 2, with what Python's json writes for a fill value that is no number."""
    nodes: dict[str, Any] = {
        ".zgroup": {"zarr_format": 2},
        "t/.zarray": array_v2([3, 5], [3, 3]),
        "t/.zattrs": {"_FillValue": float("nan")},
        "m/x/.zarray": array_v2([4], [1], dimension_separator="/"),
    }
    documents = {path: json.dumps(one).encode() for path, one in nodes.items()}
    chunks = {path: noise(9, seed) for seed, path in enumerate(("t/0.0", "t/0.1", "m/x/1", "m/x/3"))}
    whole = json.dumps({"zarr_consolidated_format": 1, "metadata": nodes}).encode()
    return {".zmetadata": whole, **documents, **chunks}


def publish_store(site: Site, path: str, files: Mapping[str, bytes]) -> str:
    """Put the files of a store; its URL. What is not there is answered by 404, the directory by a page."""
    for name, body in files.items():
        site.put(f"{path}/{name}", body)
    return site.put(path, b"<html><title>Index of /</title></html>", content_type="text/html")
