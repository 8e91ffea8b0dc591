"""A mirror of any number of items as a run would have left it: ledger, receipt, documents."""

from __future__ import annotations

import json
import os
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mlhub_async.storage.ledger.database import Statements
from mlhub_async.storage.ledger.rows import Row
from mlhub_async.storage.ledger.schema import ASSET, DONE, FAILED, ITEM, connect

CLASSES = ["water", "forest", "crops", "built-up"]
START = datetime(2026, 1, 1, tzinfo=UTC)
SHA256 = "0" * 64
KIB = 1024
DOCUMENTS = 5_000
"""Further ones are the same ones by other names, which costs a twentieth."""
NOT_FOUND = json.dumps({"class": "not-found", "message": "HTTP 404", "retryable": False, "status": 404})


def item_body(number: int) -> dict[str, Any]:
    """A label chip. One of a thousand has no geometry, and one lies over the antimeridian."""
    west, south = (number * 37) % 3590 / 10 - 180, (number * 17) % 1400 / 10 - 70
    if number % 1000 == 1:
        west = 179.95
    east, north = west + 0.1, south + 0.1
    corners = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    geometry = {"type": "Polygon", "coordinates": [corners]}
    day = datetime(2015, 1, 1, tzinfo=UTC) + timedelta(days=number % 2000)
    counts = [{"name": CLASSES[number % 4], "count": 10}]
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": f"chip-{number:07}",
        "geometry": None if number % 1000 == 0 else geometry,
        "properties": {"datetime": day.isoformat(), "label:overviews": [{"counts": counts}]},
        "links": [],
        "assets": {},
    }


def make_mirror(dest: Path, items: int, *, failed: int = 0) -> None:
    """A mirror of `items` items with two assets each, of which the first `failed` items lack one."""
    (dest / ".mlhub").mkdir(parents=True)
    (dest / "chips").mkdir()
    with closing(connect(dest / ".mlhub/ledger.sqlite")) as database:
        book = Statements(database, lambda *_: True)
        book.begin_run("https://stac.example/v1", "{}", START.isoformat())
        book.put_collection("chips", json.dumps({"id": "chips", "license": "CC-BY-4.0"}).encode(), "", None)
        rows: list[Row] = []
        for number in range(items):
            rows += _rows(dest, number, lacks_one=number < failed)
            if len(rows) > 20_000:
                book.settle(rows)
                rows = []
        book.settle(rows)
        book.end_run((START + timedelta(hours=1)).isoformat(), 4 if failed else 0)
        manifest = book.manifest(book.run)
        book.checkpoint()
    receipt = {
        "source": "https://stac.example/v1",
        "listing": {"complete": True, "reasons": []},
        "assets": dict.fromkeys(["verified_size", "unverifiable", "unfinished", "filtered", "duplicates"], 0)
        | {"selected": 2 * items, "verified_checksum": 2 * items - failed, "failed": failed},
        "bytes": (2 * items - failed) * KIB,
        "manifest_sha256": manifest,
        "exit_code": 4 if failed else 0,
    }
    (dest / ".mlhub/receipt.json").write_text(json.dumps(receipt))


def _rows(dest: Path, number: int, *, lacks_one: bool) -> list[Row]:
    folder, name = f"chips/{number // 1000}", f"chip-{number:07}"
    path = f"{folder}/{name}.json"
    if number % 1000 == 0:
        (dest / folder).mkdir()
    if number < DOCUMENTS:
        (dest / path).write_text(json.dumps(item_body(number)))
    else:
        os.link(dest / f"chips/{number % DOCUMENTS // 1000}/chip-{number % DOCUMENTS:07}.json", dest / path)
    written = int((START + timedelta(seconds=number % 3600)).timestamp()) * 10**9
    there = (KIB, written, SHA256, "checksum", "", "", "", "")
    state, facts = (
        (FAILED, (0, 0, "", "none", "", "", "https://h.test/x", NOT_FOUND)) if lacks_one else (DONE, there)
    )
    return [
        ("chips", name, ASSET, "image", f"{folder}/{name}.tif", DONE, *there),
        ("chips", name, ASSET, "labels", f"{folder}/{name}-labels.tif", state, *facts),
        ("chips", name, ITEM, "", path, DONE, KIB, written, SHA256, "none", "", "", "", ""),
    ]
