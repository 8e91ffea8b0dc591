"""An archive that is replaced by newer versions while it is mirrored, cut, and refused.

What was ever offered is written down for the judge (`oracle.Offered`), as by `changing_server.World`.
"""

from __future__ import annotations

import gzip
import io
import json
import random
import tarfile
import threading
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import zstandard

from support.changing_server import CANARY
from support.oracle import Offered
from support.server import Cut, Drip, Gone, IgnoreRange, Site, Status, tif
from support.stac_server import stac_item
from support.wire_format import Ask, Fault, Thing

KINDS = ("zip", "tar", "tar.gz", "tar.zst")
PACED = Drip(0.004, 60_000)
PER_ITEM = 2
FIRST_DAY = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass
class Member:
    """One file of the archive. Some are so small that many come at a time, others are large."""

    number: int
    size: int
    serial: int = 0

    @property
    def item(self) -> str:
        return f"i{self.number // PER_ITEM}"

    @property
    def file(self) -> str:
        return f"a{self.number % PER_ITEM}.tif"

    @property
    def name(self) -> str:
        return f"kenya/{self.item}/{self.file}"

    @property
    def body(self) -> bytes:
        return tif(self.size + self.serial % 3, self.number * 10_000 + self.serial)

    @property
    def modified(self) -> datetime:
        return FIRST_DAY + timedelta(days=self.serial)


@dataclass(frozen=True)
class Replaced(Fault):
    """While it is asked for, the archive becomes another one."""

    world: ArchiveWorld

    def asked(self, ask: Ask) -> None:
        ask.thing = self.world.change(1)


class ArchiveWorld:
    """See `changing_server.World`. `kind`: one of `KINDS`. `stac`: there is a catalogue in it."""

    def __init__(
        self, home: Site, away: Site, chance: random.Random, kind: str, count: int = 40, *, stac: bool = True
    ) -> None:
        self.home, self.away, self.chance = home, away, chance
        self.offered = Offered()
        self.mirror = 0
        self._kind, self._stac = kind, stac
        self._manners: tuple[Fault, ...] = (PACED,)
        if kind == "zip" and chance.random() < 0.3:
            self._manners += (IgnoreRange(),)
        self.objects = [Member(number, self._size(number)) for number in range(count)]
        for one in self.objects:
            self.offered.add(self._place(one), one.body)
        self._changing = threading.Lock()
        """the server may replace the archive while a turn does: one version must not have parts of two"""
        self._path = f"/kenya.{kind}"
        self._serial = 0
        self._publish()
        self.url = home.url(self._path)

    def _size(self, number: int) -> int:
        if number % 8 == 7:
            return self.chance.randrange(300_000, 900_000)
        return self.chance.randrange(300, 60_000)

    def _place(self, one: Member) -> str:
        """Where a mirror keeps it."""
        return f"{'c1' if self._stac else 'kenya'}/{one.item}/{one.file}"

    def _publish(self) -> Thing:
        self._serial += 1
        files = {one.name: (one.body, one.modified) for one in self.objects}
        documents = {f"kenya/{name}": (data, FIRST_DAY) for name, data in self._documents().items()}
        body = packed(self._kind, {**documents, **files} if self._serial % 2 else {**files, **documents})
        self.home.put(self._path, body, always=self._manners, etag=f'"{self._serial}"')
        return self.home.things[self._path]

    def _documents(self) -> dict[str, bytes]:
        if not self._stac:
            return {}
        found: dict[str, Any] = {}
        for number in range(0, len(self.objects), PER_ITEM):
            members = self.objects[number : number + PER_ITEM]
            hrefs = {one.file.removesuffix(".tif"): one.file for one in members}
            updated = FIRST_DAY + timedelta(days=sum(one.serial for one in members))
            item = stac_item(members[0].item, **hrefs)
            item["properties"]["updated"] = updated.isoformat().replace("+00:00", "Z")
            found[f"{members[0].item}/item.json"] = item
        found["collection.json"] = {
            **{"type": "Collection", "stac_version": "1.0.0", "id": "c1", "description": "d"},
            **{"license": "other", "links": [{"rel": "item", "href": name} for name in found]},
            "extent": {"spatial": {"bbox": [[0, 0, 1, 1]]}, "temporal": {"interval": [[None, None]]}},
        }
        return {name: json.dumps(document).encode() for name, document in found.items()}

    def change(self, members: int) -> Thing:
        """A new version of the archive, in which so many members are others."""
        with self._changing:
            for one in self.chance.sample(self.objects, members):
                one.serial += 1
                self.offered.add(self._place(one), one.body)
            return self._publish()

    def turn(self, changes: int, faults: int) -> None:
        """Sometimes there is a new version; sometimes it is in for trouble."""
        if self.chance.random() < 0.6:
            self.change(changes)
        thing = self.home.things[self._path]
        if self.chance.random() < 0.6:
            thing.faults.extend(self._trouble(len(thing.body)))

    def _trouble(self, size: int) -> list[Any]:
        cut = Cut(self.chance.randrange(size), rst=self.chance.random() < 0.3)
        plans: list[list[Any]] = [[cut], [None, None, cut], [Status(503)], [None, Status(500), cut], [Gone()]]
        plans += [[cut, Replaced(self)], [None, None, Replaced(self)]]
        return self.chance.choice(plans)

    def bytes_sent(self, *, resumable: bool = False) -> tuple[int, int]:
        """It is not counted: what is read again is not bytes of one file."""
        return 0, 0

    def leaks(self) -> list[str]:
        return [
            f"I5 {seen.path} was sent the secret" for seen in self.away.log if CANARY in str(seen.headers)
        ]


def packed(kind: str, files: dict[str, tuple[bytes, datetime]]) -> bytes:
    """An archive of files with their times."""
    target = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(target, "w") as archive:
            for number, (name, (data, modified)) in enumerate(files.items()):
                info = zipfile.ZipInfo(name, modified.timetuple()[:6])
                info.compress_type = zipfile.ZIP_DEFLATED if number % 2 else zipfile.ZIP_STORED
                archive.writestr(info, data)
        return target.getvalue()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for name, (data, modified) in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(data), int(modified.timestamp())
            tar.addfile(member, io.BytesIO(data))
    if kind == "tar.gz":
        return gzip.compress(target.getvalue(), 1, mtime=0)
    return zstandard.compress(target.getvalue()) if kind == "tar.zst" else target.getvalue()
