"""What can happen to one file of a real server while it is mirrored, and the judgement of what came of it.

A faulty relay stands between the server and the program. A cell of the table is right if the bytes in DEST
are one version that the server had during the runs, or if the run says that it could not get one; never a
mixture of two.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlhub_async import RetryPolicy
from support.engine import run
from support.faulty_relay import FaultyRelay
from support.file_servers import Served
from support.mirrored import Mirrored
from support.server import tif
from support.stac_server import sizes_and_digests, stac_item

SIZE = 5_000_000
CUT = 2_000_000
SHORTER, MUCH_SHORTER = tif(CUT + 500_000, 3), tif(CUT // 2, 4)
FLIPPED_AT = 1_000_000
OLD = tif(SIZE, 1)
NEW = tif(SIZE, 2)
ALMOST_OLD = OLD[:500] + bytes([OLD[500] ^ 1]) + OLD[501:-500] + bytes([OLD[-500] ^ 1]) + OLD[-499:]
"""Another version that differs in two bytes, one long before the cut and one long after it."""
PATIENT, NOT_PATIENT = RetryPolicy(attempts=5, base=0.05), RetryPolicy(attempts=1, base=0)
SECONDS = 60
"""A run that takes longer failed."""


@dataclass(frozen=True)
class Cell:
    """What came of one case: `right` for the bytes of the server or an honest failure, and how in words."""

    right: bool
    how: str


@dataclass(frozen=True)
class Place:
    """Where one case happens: a server, the name of its file there, a fresh DEST, the transport."""

    server: Served
    name: str
    dest: Path
    transport: str

    async def replace(self, body: bytes) -> None:
        await asyncio.to_thread(self.server.put, self.name, body, 60)

    async def mirror(self, relay: FaultyRelay, *, says: Any = None, **options: Any) -> int:
        """One run; its exit code."""
        href = f"http://127.0.0.1:{relay.port}{self.server.prefix}{self.name}"
        item = stac_item("one", data={"href": href, **(says or {})})
        options = {"retry": PATIENT, "transport": self.transport, **options}
        async with asyncio.timeout(SECONDS):
            return (await run([item], self.dest, **options)).exit_code

    async def judge(self, code: int, relay: FaultyRelay, *, changed: bool = False) -> Cell:
        """Compare what is in DEST with what the server has now."""
        mirrored = Mirrored(self.dest)
        mirrored.check(code)
        got, there = mirrored.bytes_of("one"), await asyncio.to_thread(self.server.get, self.name)
        if got is None:
            return Cell(code in (4, 5), f"refused ({mirrored.failed.get('one', '?')})")
        if code != 0 or got not in (there, OLD):
            return Cell(False, f"WRONG: exit {code}, {len(got)} bytes, {len(there or b'')} on the server")
        if not changed:
            return Cell(True, "resumed" if relay.received < SIZE * 1.2 else "anew")
        return Cell(True, "the old version" if got == OLD else "the new version")


async def cut(place: Place) -> Cell:
    """The connection is cut twice, once by RST."""
    async with FaultyRelay(place.server.port) as relay:
        relay.cut(CUT, CUT // 2, reset=True)
        return await place.judge(await place.mirror(relay), relay)


def changed_meanwhile(body: bytes, **options: Any) -> Callable[[Place], Awaitable[Cell]]:
    """The connection is cut; before the next request the file is another one."""

    async def case(place: Place) -> Cell:
        async with FaultyRelay(place.server.port) as relay:
            relay.cut(CUT, then=lambda: place.replace(body))
            return await place.judge(await place.mirror(relay, **options), relay, changed=True)

    return case


def changed_between_runs(body: bytes) -> Callable[[Place], Awaitable[Cell]]:
    """A run ends where the connection is cut; before the next run the file is another one."""

    async def case(place: Place) -> Cell:
        async with FaultyRelay(place.server.port) as relay:
            relay.cut(CUT)
            code = await place.mirror(relay, retry=NOT_PATIENT)
            if code != 5:
                return Cell(False, f"WRONG: exit {code} after a cut")
            await place.replace(body)
            return await place.judge(await place.mirror(relay), relay, changed=True)

    return case


async def spoilt_once(place: Place) -> Cell:
    """One bit is wrong, once, under the right length; the catalogue has a digest."""
    async with FaultyRelay(place.server.port) as relay:
        relay.flip(FLIPPED_AT, 1)
        cell = await place.judge(await place.mirror(relay, says=sizes_and_digests(OLD)), relay)
        return Cell(cell.right, "found, fetched again" if cell.how in ("anew", "resumed") else cell.how)


async def spoilt_always(place: Place) -> Cell:
    """The same in every answer: there must be no file."""
    async with FaultyRelay(place.server.port) as relay:
        relay.flip(FLIPPED_AT, float("inf"))
        code = await place.mirror(relay, says=sizes_and_digests(OLD))
        return await place.judge(code, relay)


async def spoilt_unknown(place: Place) -> Cell:
    """The same once, where the catalogue has no digest: that of the server finds it.

    Without any digest a wrong bit under a right length cannot be found: then the file must count as proven by
    its size alone.
    """
    async with FaultyRelay(place.server.port) as relay:
        relay.flip(FLIPPED_AT, 1)
        code = await place.mirror(relay)
        mirrored = Mirrored(place.dest)
        mirrored.check(code)
        by_digest = mirrored.receipt["assets"]["verified_checksum"]
        if mirrored.bytes_of("one") == OLD:
            return Cell(code == 0, "found by the server's digest")
        return Cell(not by_digest, "no digest: by size only" if not by_digest else "WRONG: called proven")


CASES: dict[str, Callable[[Place], Awaitable[Cell]]] = {
    "connection cut": cut,
    "replaced meanwhile": changed_meanwhile(NEW),
    "two bytes replaced meanwhile": changed_meanwhile(ALMOST_OLD),
    "replaced, in four parts": changed_meanwhile(NEW, parts=4),
    "replaced between runs": changed_between_runs(NEW),
    "shortened meanwhile": changed_meanwhile(SHORTER),
    "shortened between runs": changed_between_runs(MUCH_SHORTER),
    "spoilt once": spoilt_once,
    "spoilt always": spoilt_always,
    "spoilt, no digest in the catalogue": spoilt_unknown,
}


async def outcome(case: str, place: Place) -> Cell:
    """What comes of a case; a run that takes too long or breaks a rule of receipts is wrong."""
    try:
        return await CASES[case](place)
    except (TimeoutError, AssertionError, OSError) as error:
        return Cell(False, f"WRONG: {type(error).__name__} {str(error)[:80]}")
