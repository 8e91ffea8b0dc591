"""Reads a mirror as a user would: files, receipt, errors.jsonl, the written catalogue."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from support.server import Seen, Site, tif
from support.stac_server import stac_item


class Mirrored:
    """DEST after a run."""

    def __init__(self, dest: Path) -> None:
        self.dest = dest

    @property
    def receipt(self) -> dict[str, Any]:
        return json.loads((self.dest / ".mlhub" / "receipt.json").read_text())

    def has_receipt(self, exit_code: int) -> bool:
        """Whether the last run has ended with this exit code. False during a run, which has no receipt."""
        try:
            return bool(self.receipt["exit_code"] == exit_code)
        except FileNotFoundError:
            return False

    @property
    def errors(self) -> list[dict[str, Any]]:
        """The rows of errors.jsonl; none if there is no such file."""
        path = self.dest / ".mlhub" / "errors.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def failed(self) -> dict[str, str]:
        """Item id → the kind of its failure."""
        return {row["item"]: row["error"]["class"] for row in self.errors}

    @property
    def files(self) -> dict[str, bytes]:
        """Every file under its final name that is no STAC document, by path with forward slashes."""
        found = {p.relative_to(self.dest).as_posix(): p for p in self.dest.rglob("*") if p.is_file()}
        return {
            name: path.read_bytes()
            for name, path in found.items()
            if not name.startswith(".mlhub/") and not name.endswith(".json")
        }

    @property
    def partial(self) -> list[Path]:
        folder = self.dest / ".mlhub" / "partial"
        return [p for p in folder.rglob("*") if p.is_file()] if folder.exists() else []

    @property
    def proven_bytes(self) -> int:
        """Bytes of partial files that the checkpoints in their journals prove to the next run."""
        journals = [path.read_bytes() for path in self.partial if path.suffix == ".journal"]
        checkpoints = [re.findall(rb"^(\d+) [0-9a-f]{64}$", journal, re.MULTILINE) for journal in journals]
        return sum(max(map(int, offsets), default=0) for offsets in checkpoints)

    def bytes_of(self, item: str, key: str = "data", collection: str = "c1") -> bytes | None:
        """The content of the asset under its final name, with whatever suffix; None if there is no file."""
        folder = self.dest / collection / item
        found = [p for p in folder.glob(f"{key}*") if p.is_file()] if folder.exists() else []
        assert len(found) <= 1, found
        return found[0].read_bytes() if found else None

    def item(self, item: str, collection: str = "c1") -> dict[str, Any]:
        return json.loads((self.dest / collection / item / f"{item}.json").read_text())

    def href(self, item: str, key: str = "data", collection: str = "c1") -> str:
        return self.item(item, collection)["assets"][key]["href"]

    def check(self, code: int) -> None:
        """Assert that the receipt balances, has this exit code, and the manifest of the files in DEST."""
        receipt = self.receipt
        assets = receipt["assets"]
        proven = assets["verified_checksum"] + assets["verified_size"] + assets["unverifiable"]
        assert receipt["exit_code"] == code
        assert assets["selected"] == proven + assets["failed"] + assets["unfinished"]
        if code == 0:
            assert (
                receipt["listing"]["complete"]
                and assets["failed"] == assets["unfinished"] == 0
                and self.errors == []
            )
        if code in (0, 4):
            assert receipt["manifest_sha256"] == self.manifest()

    def manifest(self) -> str:
        """The digest over the sorted lines `path size sha256`."""
        lines = [f"{n} {len(b)} {hashlib.sha256(b).hexdigest()}\n" for n, b in self.files.items()]
        return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def publish(site: Site, names: Sequence[str], size: int = 20_000, **about: Any) -> list[dict[str, Any]]:
    """Put an asset with bytes of its own for each name; returns the items that refer to them."""
    return [
        stac_item(name, data=site.put(f"/{name}.tif", tif(size, seed), **about))
        for seed, name in enumerate(names)
    ]


def asset_requests(site: Site) -> list[Seen]:
    return [seen for seen in site.log if seen.path.endswith(".tif")]


def wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "timed out"
        time.sleep(0.005)


def unread_bytes(seen: Seen) -> int:
    """Bytes in the socket buffers of this request's connection, which the client has not read (Linux)."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    queues = [row[4].split(":") for row in rows if f":{seen.port:04X}" in row[1] + row[2]]
    return sum(int(size, 16) for both in queues for size in both)


def assert_whole(dest: Path, offered: Mapping[str, Collection[bytes]]) -> None:
    """Assert that every file is one of the versions that were offered for its item."""
    for path, body in Mirrored(dest).files.items():
        assert body in offered[path.split("/")[1]], f"{path} was never offered like this"
