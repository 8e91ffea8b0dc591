"""What a run left behind, what the server does now, what the catalogue says: never bytes of two versions.

Run one is cut in the middle of every asset. Then the partial files are tampered with, the server changes,
and run two must end with the server's present bytes under the final name, or with nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.command import Program
from support.mirrored import Mirrored
from support.server import (
    Background,
    Chunked,
    CloseDelimited,
    ContentRange,
    Cut,
    Etag,
    Gone,
    Gzip,
    IgnoreIfRange,
    IgnoreRange,
    Plan,
    Site,
    Status,
    several,
    tif,
)
from support.stac_server import sizes_and_digests, stac_item, static_catalog

SIZE = 270_000
HALF = 135_000
WRONG = "1220" + "ab" * 32

NOW: dict[str, list[Plan]] = {
    "good": [],
    "range ignored": [IgnoreRange()],
    "condition ignored": [IgnoreIfRange()],
    "wrong start": [(IgnoreIfRange(), ContentRange(f"bytes 0-{SIZE - 1}/{SIZE}"))],
    "wrong total": [(IgnoreIfRange(), ContentRange(f"bytes {HALF}-{SIZE - 1}/{SIZE + 7}"))],
    "silent 206": [(IgnoreIfRange(), ContentRange(None))],
    "416": [Status(416, headers=(("Content-Range", f"bytes */{SIZE}"),))],
    "ETag gone": [(IgnoreIfRange(), Etag(None))],
    "ETag weak": [(IgnoreIfRange(), Etag('W/"1"'))],
    "cut again": [Cut(1000)],
    "reset": [Cut(1000, rst=True)],
    "chunked": [Chunked()],
    "close-delimited": [(IgnoreIfRange(), CloseDelimited())],
    "close-delimited, cut": [(IgnoreIfRange(), CloseDelimited(), Cut(1000))],
    "gzip": [(IgnoreIfRange(), Gzip())],
    "no head": [Gone()],
    "500": [Status(500)],
}
SAYS = ["nothing", "digest", "wrong digest"]


def untouched(path: Path) -> None:
    """The partial file stays as run one left it."""


def lost(path: Path) -> None:
    path.unlink()


def longer(path: Path) -> None:
    path.write_bytes(path.read_bytes() + bytes(SIZE))


def shorter(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


def complete(path: Path) -> None:
    path.write_bytes(path.read_bytes() + bytes(SIZE - HALF))


def spoilt(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)


LEFT: dict[str, Callable[[Path], None]] = {
    f.__name__: f for f in (untouched, lost, longer, shorter, complete, spoilt)
}
CHANGED = [False, True]


@dataclass(frozen=True)
class Cell:
    number: int
    now: str
    left: str
    says: str
    changed: bool

    @property
    def path(self) -> str:
        return f"/{self.number}.tif"

    @property
    def old(self) -> bytes:
        return tif(SIZE, self.number)

    @property
    def present(self) -> bytes:
        return tif(SIZE, -1 - self.number) if self.changed else self.old

    @property
    def allowed(self) -> list[bytes | None]:
        """Of a cut close-delimited body that nothing is known of, its beginning or nothing will do too."""
        if self.says == "wrong digest":
            return [None]
        if self.now == "close-delimited, cut" and self.says == "nothing":
            return [self.present, self.present[:1000], None]
        return [self.present]

    def asset(self, site: Site) -> dict[str, object]:
        known = {"digest": sizes_and_digests(self.present), "wrong digest": {"file:checksum": WRONG}}
        return {"href": site.url(self.path), "type": "image/tiff", **known.get(self.says, {})}


def cells() -> list[Cell]:
    return [
        Cell(n, *combination) for n, combination in enumerate(itertools.product(NOW, LEFT, SAYS, CHANGED))
    ]


CELLS = cells()


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory):
    dest = tmp_path_factory.mktemp("mirror")
    program = Program(tmp_path_factory.mktemp("home"))
    with Background() as sites:
        # One origin per fault: what slows an origin down must not slow the others. A host that fails for
        # every file is given up, so those failures come to each from a host of its own.
        by_fault = {name: sites.site() for name in NOW}
        hosts = [sites.site() if c.now in ("no head", "500") else by_fault[c.now] for c in CELLS]
        for cell in CELLS:
            hosts[cell.number].put(cell.path, cell.old, etag='"1"', faults=[Cut(HALF)], always=[])
        items = [stac_item(str(c.number), data=c.asset(hosts[c.number])) for c in CELLS]
        url = static_catalog(sites.site(), items)
        first = program("mirror", url, dest, "-R", 0, "--allow-private")
        assert first.code == 5, first.err
        assert Mirrored(dest).files == {}
        tamper(dest)
        for cell in CELLS:
            thing = hosts[cell.number].things[cell.path]
            thing.faults.extend(NOW[cell.now])
            if cell.changed:
                thing.body, thing.etag = cell.present, '"2"'
        second = program("mirror", url, dest, "--allow-private")
        assert second.code in (0, 4, 5), second.err
        yield Mirrored(dest)


def tamper(dest: Path) -> None:
    by_start = {cell.old[:64]: cell for cell in CELLS}
    found = [p for p in Mirrored(dest).partial if p.suffix == ".part"]
    assert len(found) == len(CELLS), "run one must leave one partial file for each asset"
    for path in found:
        LEFT[by_start[path.read_bytes()[:64]].left](path)


@pytest.mark.parametrize("now", NOW)
def test_the_final_name_holds_the_present_bytes_or_nothing(mirror, now):
    wrong = []
    for cell in (c for c in CELLS if c.now == now):
        got = mirror.bytes_of(str(cell.number))
        if got not in cell.allowed:
            kind = "nothing" if got is None else "old bytes" if got == cell.old else "spliced bytes"
            wrong.append((cell.left, cell.says, "changed" if cell.changed else "same", kind))
    assert wrong == []


def test_nothing_unfinished_is_left_of_what_was_finished(mirror):
    assert len([p for p in mirror.partial if p.suffix == ".part"]) <= len(mirror.failed)
    assert set(mirror.failed) == {str(c.number) for c in CELLS if mirror.bytes_of(str(c.number)) is None}


def test_every_combination_is_really_there():
    assert len(CELLS) > 500
    assert all(several(plan) for plans in NOW.values() for plan in plans)
