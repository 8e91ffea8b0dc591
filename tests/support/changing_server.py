"""A catalogue whose objects change while it is mirrored: every sort of validator, cuts, errors, redirects.

What was ever offered in full is written down for the judge (`oracle.Offered`).
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from support.oracle import Offered
from support.server import Cut, Drip, Gone, IgnoreIfRange, IgnoreRange, Site, Status, tif
from support.stac_server import sizes_and_digests, stac_item
from support.wire_format import Ask, Fault, Reply, Seen, Thing

CANARY = "canary-7f3a"
SECRET = f"X-Secret: {CANARY}"
"""A header that is bound to the catalogue's origin: no other site may ever see it."""
VALIDATORS = ("strong", "strong", "weak", "dated", "none")
EPOCH = 1_500_000_000
PACED = Drip(0.004, 50_000)
MILLION = 1_000_000
HUGE = 4_200_000
"""Bytes of which there are parts, where these are asked for."""


@dataclass
class Object:
    """One asset. `declared`: the catalogue knows size and digest. `away`: a redirect leads to it."""

    number: int
    size: int
    validator: str
    declared: bool
    away: bool
    manners: tuple[Fault, ...]
    serial: int = 0
    updated: int = 0
    listed: bool = True

    @property
    def path(self) -> str:
        return f"/o{self.number}.tif"

    @property
    def place(self) -> str:
        """Where a mirror keeps it."""
        return f"c1/o{self.number}/data.tif"

    @property
    def body(self) -> bytes:
        grown = self.serial * 17 if self.number % 7 == 6 else 0
        return tif(self.size + grown, self.number * 10_000 + self.serial)

    @property
    def resumable(self) -> bool:
        return self.validator in ("strong", "dated") and self.size > 256 << 10 and len(self.manners) == 1

    @property
    def about(self) -> dict[str, Any]:
        """The fields of the answer that tell one version from another."""
        name = f'"{self.number}.{self.serial}"'
        modified = EPOCH + self.serial * 3600
        return {
            "strong": {"etag": name},
            "weak": {"etag": f"W/{name}"},
            "dated": {"last_modified": modified},
            "none": {},
        }[self.validator]


@dataclass(frozen=True)
class Turn(Fault):
    """While it is asked for, the object becomes another one; the catalogue says nothing of it."""

    world: World
    object: Object

    def asked(self, ask: Ask) -> None:
        ask.thing = self.world.change(self.object, told=False)


class World:
    """`home` holds catalogue and objects, `away` those that redirects lead to. `url`: the catalogue.

    `mirror`: the number of the present one, for whoever begins another.
    """

    def __init__(
        self,
        home: Site,
        away: Site,
        chance: random.Random,
        count: int = 20,
        huge: int = 0,
        *,
        still: bool = False,
    ) -> None:
        """`still`: no object ever changes; the faults are the same."""
        self.home, self.away, self.chance, self.still = home, away, chance, still
        self.offered = Offered()
        self.sent: dict[tuple[int, int, int], list[tuple[int, list[int]]]] = defaultdict(list)
        self.mirror = 0
        self.objects: list[Object] = []
        for number in range(count):
            self.add(self._object(number))
        for number in range(count, count + huge):
            self.add(self._huge(number))
        for site in (home, away):
            site.answered = self._count
        self.url = self.tell()

    def add(self, one: Object) -> None:
        """Objects are added in the order of their numbers; `tell` lists them."""
        self.objects.append(one)
        self._publish(one, must=True)

    def _object(self, number: int) -> Object:
        large = number % 3 != 2
        size = self.chance.randrange(300_000, 900_000) if large else self.chance.randrange(300, 60_000)
        manners: tuple[Fault, ...] = (PACED,) if large else ()
        manners += {3: (IgnoreRange(),), 7: (IgnoreIfRange(),)}.get(number % 10, ())
        return Object(
            number,
            size,
            VALIDATORS[number % len(VALIDATORS)],
            declared=number % 6 == 5,
            away=number % 4 == 3,
            manners=manners,
        )

    def _huge(self, number: int) -> Object:
        """One that is brought in parts, where they are asked for."""
        size = self.chance.randrange(HUGE, HUGE + MILLION)
        return Object(number, size, "strong", declared=False, away=number % 2 == 1, manners=(PACED,))

    def _publish(self, one: Object, *, must: bool) -> Thing:
        body = one.body
        self.offered.add(one.place, body, must=must)
        if not one.listed:
            self.offered.forget(one.place)
        site = self.away if one.away else self.home
        url = site.put(one.path, body, always=one.manners, **one.about)
        if one.away:
            self.home.redirect(one.path, url)
        return site.things[one.path]

    def tell(self) -> str:
        items = [self._item(one) for one in self.objects if one.listed]
        return self.home.json("/items.json", {"type": "FeatureCollection", "features": items})

    def _item(self, one: Object) -> dict[str, Any]:
        asset = {"href": self.home.url(one.path)}
        if one.declared:
            asset |= sizes_and_digests(one.body)
        stamp = f"2021-01-01T{one.updated // 60 % 24:02}:{one.updated % 60:02}:00Z"
        return stac_item(f"o{one.number}", data=asset, properties={"updated": stamp})

    def change(self, one: Object, *, told: bool) -> Thing:
        """A new version. `told`: the catalogue says so, and a complete mirror must have it."""
        told = told or one.declared
        one.serial += 1
        one.updated += told
        thing = self._publish(one, must=told)
        if told:
            self.tell()
        return thing

    def turn(self, changes: int, faults: int) -> None:
        """Some objects change, others are in for trouble.

        One that still has some gets no more: that of many turns would be more than a run makes attempts.
        """
        for one in self.chance.sample(self.objects, 0 if self.still else changes):
            self.change(one, told=self.chance.random() < 0.7)
        for one in self.chance.sample(self.objects, faults):
            site = self.away if one.away else self.home
            waiting, trouble = site.things[one.path].faults, self._trouble(one)
            if not waiting:
                waiting.extend(trouble)

    def _trouble(self, one: Object) -> list[Any]:
        cut = Cut(self.chance.randrange(one.size), rst=self.chance.random() < 0.3)
        plans: list[list[Any]] = [[cut], [cut], [Status(503)], [Status(500), cut], [Gone()]]
        if not one.declared and not self.still:
            plans += [[cut, Turn(self, one)]] * 4
        if one.size >= HUGE and not self.still:
            plans += [[None, Turn(self, one)]] * 8
        return self.chance.choice(plans)

    def _count(self, seen: Seen, reply: Reply) -> None:
        number = seen.path.removeprefix("/o").removesuffix(".tif")
        if reply.status in (200, 206) and number.isdigit():
            span = re.match(r"bytes (\d+)-", dict(reply.headers).get("Content-Range", ""))
            version = (self.mirror, int(number), self.objects[int(number)].serial)
            self.sent[version].append((int(span[1]) if span else 0, reply.sent))

    def bytes_sent(self, *, resumable: bool = False) -> tuple[int, int]:
        """How many bytes of objects went out, and how many of them more than once to one mirror.

        `resumable`: only of objects that a partial file can be tied to, from servers that know ranges.
        """
        spans = [
            [(first, first + sum(sent)) for first, sent in one]
            for (_, number, _), one in self.sent.items()
            if not resumable or self.objects[number].resumable
        ]
        total = sum(last - first for one in spans for first, last in one)
        return total, total - sum(covered(one) for one in spans)

    def leaks(self) -> list[str]:
        """I5: requests to the other site that carried what is bound to this one."""
        return [
            f"I5 {seen.path} was sent the secret" for seen in self.away.log if CANARY in str(seen.headers)
        ]


def covered(spans: list[tuple[int, int]]) -> int:
    size = end = 0
    for first, last in sorted(spans):
        size += max(0, last - max(first, end))
        end = max(end, last)
    return size
