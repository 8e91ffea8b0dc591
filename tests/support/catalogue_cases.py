"""The cases of the catalogue fuzz: another answer at one point of a catalogue, in one kind of run."""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlhub_async import MlhubError, Options, RetryPolicy, Selection, mirror
from support.catalogue_bodies import BODIES, BODIES_OF_REFUSALS, STATUSES, TWINS, Place
from support.catalogue_judge import Case, Ended, Judge, Violation
from support.catalogue_sites import GONE, NAMES, NOT_FOLLOWED, Catalogue, Point, asset_bytes, build
from support.command import Program
from support.server import Site
from support.wire_format import Reply, Seen

HANG_SECONDS = 20.0
RUNS = ("fresh", "again", "prune")
"""A first run; a second one after a complete mirror, without and with --prune."""
TIMES = ("once", "always")
"""Whether only the first answer is another one."""
BESIDE = (*NOT_FOLLOWED, "collection")
"""Relations that a listing does without: few bodies are tried there."""


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
        self._before: dict[str, str] = {}
        """what is wrong with the complete mirrors, by the names of their catalogues"""
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
            whole = await self.mirrored_before(case.catalogue)
            if wrong := self._before[case.catalogue]:
                return [Violation(case, "refused", f"undisturbed: {wrong}")]
            shutil.copytree(whole, dest)
        self._serve(catalogue.documents)
        self._disturb(catalogue, case)
        try:
            ended = await self._run(catalogue, dest, case.run)
            return list(Judge(catalogue, case, dest, ended).violations())
        finally:
            shutil.rmtree(dest, ignore_errors=True)

    async def mirrored_before(self, name: str) -> Path:
        """A mirror of the catalogue as it was while it had one item more, which is made once."""
        dest = self.place / f"whole-{name}"
        if name not in self._before:
            earlier = build(name, self.site.origin, earlier=True)
            self._serve(earlier.documents)
            ended = await self._run(earlier, dest, "fresh")
            case = Case(name, "SOURCE", "200", "right", "always", "fresh")
            judge = Judge(build(name, self.site.origin), case, dest, ended)
            gone = [] if judge.has_gone else [f"without {GONE}"]
            self._before[name] = ", ".join([*(one.what for one in judge.violations()), *gone])
        return dest

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
            max_outage=10.0,
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
