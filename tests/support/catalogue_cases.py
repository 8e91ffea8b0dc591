"""One case of the catalogue fuzz: another answer at one point of a catalogue, a run, and what is wrong.

The judge knows what each catalogue holds, and which of it can be had in spite of the answer. It shares no
code with the program: it looks at the exit code, the files in DEST, errors.jsonl and the receipt.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlhub_async import MlhubError, Options, RetryPolicy, Selection, mirror
from support.catalogue_bodies import BODIES, BODIES_OF_REFUSALS, STATUSES, TWINS, Meaning, Place
from support.catalogue_sites import GONE, NAMES, NOT_FOLLOWED, Catalogue, Point, asset_bytes, build
from support.command import Program
from support.mirrored import Mirrored
from support.server import Site
from support.wire_format import Reply, Seen

HANG_SECONDS = 20.0
RUNS = ("fresh", "again", "prune")
"""A first run; a second one after a complete mirror, without and with --prune."""
TIMES = ("once", "always")
"""Whether only the first answer is another one."""
BESIDE = (*NOT_FOLLOWED, "collection")
"""Relations that a listing does without: few bodies are tried there."""
SOURCE_UNUSABLE, LASTING, TEMPORARY, NOTHING_SELECTED = 3, 4, 5, 9


@dataclass(frozen=True)
class Case:
    """`body` is the name of a body, or that of a link in another media type: "twin:html:first"."""

    catalogue: str
    point: str
    status: str
    body: str
    times: str
    run: str

    def __str__(self) -> str:
        return "/".join((self.catalogue, self.point, self.status, self.body, self.times, self.run))

    @classmethod
    def parse(cls, text: str) -> Case:
        return cls(*text.split("/"))


@dataclass(frozen=True)
class Violation:
    case: Case
    kind: str
    what: str


@dataclass
class Ended:
    """How a run of one case ended."""

    code: int
    said: str = ""
    """why the listing or the run ended early, if it did"""
    reported: bool = True
    """it wrote a receipt of its own"""


def all_cases() -> Iterator[Case]:
    """Every combination that says something."""
    for name in NAMES:
        points = build(name, "http://h.test").points
        for key, (status, body), times, run in itertools.product(points, _answers(), TIMES, RUNS):
            few = body in BODIES_OF_REFUSALS and status in ("200", "404", "503")
            if points[key].rel in BESIDE and not few:
                continue
            if _can_be_run(name, run) and (body, times, status) != ("right", "once", "200"):
                yield Case(name, key, status, body, times, run)
        for key, twin, at, run in itertools.product(points, TWINS, ("first", "last"), RUNS):
            if points[key].rel not in ("SOURCE", "description") and _can_be_run(name, run):
                yield Case(name, key, "200", f"twin:{twin}:{at}", "always", run)


def _answers() -> Iterator[tuple[str, str]]:
    for status in STATUSES:
        bodies = BODIES if status in ("200", "301") else BODIES_OF_REFUSALS
        yield from ((status, body) for body in (bodies if "loop" not in status else ("empty",)))


def _can_be_run(name: str, run: str) -> bool:
    """A search is a selection of items, which excludes --prune."""
    return not (run == "prune" and name.endswith("search"))


class World:
    """Catalogues on a site, below `place` the mirrors of them."""

    def __init__(self, site: Site, place: Path, program: Program | None = None) -> None:
        self.site, self.place, self.program = site, place, program
        self._numbers = itertools.count()
        self._before: dict[str, Ended] = {}
        for name in NAMES:
            self._serve_assets(build(name, site.origin, earlier=True))

    def _serve_assets(self, catalogue: Catalogue) -> None:
        for name in catalogue.items:
            path = f"/{catalogue.name}/assets/{name}.tif"
            self.site.put(path, asset_bytes(catalogue.name, name), content_type="image/tiff")
        path = f"/{catalogue.name}/assets/{GONE}.tif"
        self.site.put(path, asset_bytes(catalogue.name, GONE), content_type="image/tiff")

    async def violations(self, case: Case) -> list[Violation]:
        catalogue = build(case.catalogue, self.site.origin)
        dest = self.place / f"case{next(self._numbers)}"
        if case.run != "fresh":
            before = await self._mirrored_before(case.catalogue)
            if before.said:
                return [Violation(case, "refused", f"undisturbed: exit {before.code}: {before.said}")]
            shutil.copytree(self._whole(case.catalogue), dest)
        self._serve(catalogue.documents)
        self._disturb(catalogue, case)
        try:
            ended = await self._run(catalogue, dest, case.run)
            return list(Judge(catalogue, case, dest, ended).violations())
        finally:
            shutil.rmtree(dest, ignore_errors=True)

    async def _mirrored_before(self, name: str) -> Ended:
        """The end of a mirror of the catalogue as it was while it had one item more, which is made once."""
        if name not in self._before:
            earlier = build(name, self.site.origin, earlier=True)
            self._serve(earlier.documents)
            ended = await self._run(earlier, self._whole(name), "fresh")
            if not (self._whole(name) / "c1" / GONE / "data.tif").exists():
                ended.said += f" without {GONE}"
            case = Case(name, "SOURCE", "200", "right", "always", "fresh")
            judge = Judge(build(name, self.site.origin), case, self._whole(name), ended)
            ended.said = ended.said or ", ".join(one.what for one in judge.violations())
            self._before[name] = ended
        return self._before[name]

    def _whole(self, name: str) -> Path:
        return self.place / f"whole-{name}"

    def _serve(self, documents: dict[str, Any]) -> None:
        for path, document in documents.items():
            self.site.routes.pop(path, None)
            self.site.json(path, document)

    def _disturb(self, catalogue: Catalogue, case: Case) -> None:
        point = catalogue.points[case.point]
        if case.body.startswith("twin:"):
            _, name, at = case.body.split(":")
            media_type, body = TWINS[name]
            link = {
                "href": f"{self.site.origin}/twins/{name}",
                **({"type": media_type} if media_type else {}),
            }
            self._serve(catalogue.with_twin(point, link, at == "first"))
            self.site.route(f"/twins/{name}", lambda _: body.make(Place(catalogue, point)))
            return
        self._serve(catalogue.others(point))
        answers = itertools.count()
        usual = json.dumps(catalogue.documents[point.path]).encode()

        def answer(_: Seen) -> Reply:
            if case.times == "once" and next(answers):
                return Reply(200, [("Content-Type", "application/json")], usual)
            return self._answer(catalogue, point, case)

        self.site.route(point.path, answer)

    def _answer(self, catalogue: Catalogue, point: Point, case: Case) -> Reply:
        about = STATUSES[case.status]
        reply = BODIES[case.body].make(Place(catalogue, point))
        if about.location:
            target = point.path if about.location == "loop" else f"{point.path}{about.location}"
            if target != point.path:
                self.site.route(target, lambda _: reply)
            return Reply(about.status, [("Location", target)], b"")
        reply.status = about.status
        return reply

    async def _run(self, catalogue: Catalogue, dest: Path, run: str) -> Ended:
        if self.program is not None:
            return await asyncio.to_thread(self._command, self.program, catalogue, dest, run)
        options = Options(
            Selection(**catalogue.selection),
            retry=RetryPolicy(attempts=3, base=0),
            max_outage=1.0,
            prune=run == "prune",
        )
        try:
            async with asyncio.timeout(HANG_SECONDS):
                report = await mirror(catalogue.url, dest, options)
        except MlhubError as error:
            return Ended(error.exit_code, error.message, reported=False)
        except TimeoutError:
            return Ended(-1, f"not ended after {HANG_SECONDS:.0f} s")
        return Ended(report.exit_code, str(report.stopped or report.listing.error or ""))

    def _command(self, program: Program, catalogue: Catalogue, dest: Path, run: str) -> Ended:
        words: list[object] = ["-q", "-R", 1, *(("--prune",) if run == "prune" else ())]
        for name in catalogue.selection.get("collections", ()):
            words += ["-c", name]
        if bbox := catalogue.selection.get("bbox"):
            words += ["--bbox", *bbox]
        ended = program("mirror", catalogue.url, dest, *words)
        return Ended(ended.code, ended.err)


class Judge:
    """What is wrong with a run of one case."""

    def __init__(self, catalogue: Catalogue, case: Case, dest: Path, ended: Ended) -> None:
        self.catalogue, self.case, self.ended = catalogue, case, ended
        self.point = catalogue.points[case.point]
        self.mirrored = Mirrored(dest)
        self.meaning = self._meaning()
        self.held = {name: self._is_held(name) for name in catalogue.items}

    def violations(self) -> Iterator[Violation]:
        for kind, what in (*self._files(), *self._exit_code(), *self._told()):
            yield Violation(self.case, kind, f"exit {self.ended.code}: {what} | {self.ended.said[:160]}")

    def _meaning(self) -> Meaning:
        """What the answer says of the items behind the point. Right the second time: it may be read so."""
        case, point = self.case, self.point
        if case.body.startswith("twin:"):
            return Meaning.WHOLE if "untyped" in case.body else Meaning.SURE
        if point.rel in NOT_FOLLOWED:
            return Meaning.SURE
        if point.rel == "collection":
            return Meaning.WHOLE
        means = STATUSES[case.status].means or BODIES[case.body].means
        found = means(point)
        if case.status == "404" and case.body == "not-found-features" and point.rel == "search":
            found = Meaning.EMPTY
        if case.status == "206" and found is Meaning.SURE:
            found = Meaning.WHOLE
        if found is Meaning.EMPTY and point.later and self.catalogue.totals:
            found = Meaning.UNREADABLE
        if case.times == "once" and found is Meaning.DAMAGED:
            return Meaning.SURE
        again = found is Meaning.UNREADABLE and case.times == "once"
        return Meaning.WHOLE if again else found

    @property
    def _is_refused_source(self) -> bool:
        """A source link that leads to no item, for good: that is told, and does not count."""
        if self.point.rel != "source" or self.case.body not in BODIES:
            return False
        final = self.meaning is Meaning.UNREADABLE or self.meaning is Meaning.WHOLE
        return final and (STATUSES[self.case.status].means is not None or not BODIES[self.case.body].json)

    @property
    def _may_be_missing(self) -> set[str]:
        behind = set(self.point.behind)
        if self.meaning is Meaning.EMPTY or self._is_refused_source:
            return behind
        if self.point.rel == "source" and self.case.body in ("catalog", "collection", "landing", "bare-item"):
            return behind
        if self.case.body == "bare-item" and "bbox" in self.catalogue.selection:  # it is in no place
            return behind
        return behind if self.meaning is Meaning.PART else set()

    def _files(self) -> Iterator[tuple[str, str]]:
        absent = [name for name, held in self.held.items() if held != "held"]
        if self.ended.code == 0 and (less := [one for one in absent if one not in self._may_be_missing]):
            yield "less", f"{self._shown(less)} of the catalogue"
        if self.case.run != "fresh" and absent:
            unsure = self.meaning in (Meaning.EMPTY, Meaning.PART) and set(absent) <= set(self.point.behind)
            strange = self.point.later or self.case.body.startswith("empty-") or self.meaning is Meaning.PART
            kind = "doubtful" if unsure and strange else "deleted"
            yield kind, f"{self._shown(absent)}, which an earlier run had"
        if self.ended.code == 0 and self._must_be_pruned:
            yield "kept", f"{GONE} is not in the catalogue any more"
        others = [one for one in absent if one not in self.point.behind]
        if self._stops_nothing and self.case.run == "fresh" and others:
            yield "stopped", f"{self._shown(others)}, though it came by other links"

    @property
    def _must_be_pruned(self) -> bool:
        """`GONE` is still there. What another SOURCE listed is kept, as that may be by a redirect."""
        there = (self.mirrored.dest / "c1" / GONE / "data.tif").exists()
        return (
            self.case.run == "prune" and there and self.meaning is Meaning.SURE and self.point.rel != "SOURCE"
        )

    @property
    def _stops_nothing(self) -> bool:
        links = self.point.rel in ("item", "items", "child") and self.catalogue.name in (
            "static",
            "mixed",
            "labels",
        )
        return links and self.case.status not in ("401", "403") and self.ended.code in (LASTING, TEMPORARY)

    def _shown(self, names: list[str]) -> str:
        return ", ".join(f"{name} is {self.held[name]}" for name in names[:4])

    def _is_held(self, name: str) -> str:
        collection = self.catalogue.items[name]["collection"]
        folder = self.mirrored.dest / collection / name
        asset, document = folder / "data.tif", folder / f"{name}.json"
        if not asset.is_file():
            return "missing"
        if asset.read_bytes() != asset_bytes(self.catalogue.name, name):
            return "wrong"
        if not document.is_file() or json.loads(document.read_bytes())["id"] != name:
            return "without a document"
        return "held"

    def _exit_code(self) -> Iterator[tuple[str, str]]:
        code, meaning = self.ended.code, self.meaning
        if code in (-1, 1):
            yield ("hang" if code == -1 else "bug"), "the run"
        elif code == 0 and meaning in (Meaning.UNREADABLE, Meaning.DAMAGED) and not self._is_refused_source:
            yield "unnoticed", "nothing is told of what could not be understood"
        elif meaning is Meaning.SURE and code != 0 and not self._is_prune_of_a_list:
            yield "refused", "though everything could be had"
        elif meaning is Meaning.UNREADABLE and code == TEMPORARY and not self._ends_short:
            yield "code", "what will never come is called temporary"
        elif meaning is Meaning.DAMAGED and code not in (0, TEMPORARY):
            yield "code", "what may come again is called lasting"
        elif code not in (0, SOURCE_UNUSABLE, LASTING, TEMPORARY, NOTHING_SELECTED):
            yield "code", "no code for this"

    @property
    def _is_prune_of_a_list(self) -> bool:
        """A list of items does not say what a collection has: --prune is refused, with exit code 4."""
        case = self.case
        return case.catalogue == "list" and case.run == "prune" and self.ended.code == LASTING

    @property
    def _ends_short(self) -> bool:
        """Fewer items than announced came: another run may get them."""
        return self.catalogue.totals and self.point.later

    def _told(self) -> Iterator[tuple[str, str]]:
        told = self.ended.reported and self.ended.code in (LASTING, TEMPORARY)
        if not told or self.case.times == "once" or self.point.rel == "SOURCE":
            return
        if self.meaning not in (Meaning.UNREADABLE, Meaning.DAMAGED) or self._is_refused_source:
            return
        listing = self.mirrored.receipt["listing"]
        if listing["complete"]:
            yield "unlisted", "the receipt calls the listing complete"
        elif not self.mirrored.errors and not listing["reasons"]:
            yield "unlisted", "neither errors.jsonl nor the receipt says why"
