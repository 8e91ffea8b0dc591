"""Makes pictures in a few threads, each once, and keeps the last ones in memory."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

from ....core.concurrency import ThreadPool
from ....core.model import FileState
from ....stac.fields.classification import LabelClass
from .features import draw_features
from .notice import notice
from .palette import Swatch, swatches
from .raster import NoPreview, Wanted, encode_png, palette_of, read
from .rendering import composite, render

THREADS = 2
CACHE_BYTES = 32 << 20
VERSION = 1
"""Part of every tag: to be changed where the pictures are."""
PNG, SVG = "image/png", "image/svg+xml"


@dataclass(frozen=True, slots=True)
class PicturePlan:
    """What a picture is made of, and all that it depends on. `paths`: one file, or those of three bands."""

    paths: tuple[str, ...]
    states: tuple[FileState, ...]
    size: int
    is_label: bool = False
    is_features: bool = False
    names: tuple[str, ...] = ()
    classes: tuple[LabelClass, ...] = ()
    properties: tuple[str, ...] = ()

    @property
    def etag(self) -> str:
        return f'"{hashlib.sha256(f"{VERSION} {self!r}".encode("utf-8", "replace")).hexdigest()[:32]}"'


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded picture."""

    body: bytes
    media_type: str


@dataclass(slots=True)
class Previews:
    """The pictures of the mirror at `dest`. To be closed."""

    dest: Path
    _pool: ThreadPool = field(default_factory=lambda: ThreadPool(THREADS, thread_name_prefix="preview"))
    _made: OrderedDict[str, Picture] = field(default_factory=OrderedDict)
    _bytes: int = 0
    _under_way: dict[str, asyncio.Future[Picture]] = field(default_factory=dict)

    async def picture(self, plan: PicturePlan) -> Picture:
        """The picture of this plan; where there can be none, one that says why."""
        tag = plan.etag
        if (found := self._made.get(tag)) is not None:
            self._made.move_to_end(tag)
            return found
        if (waiting := self._under_way.get(tag)) is None:
            waiting = asyncio.get_running_loop().run_in_executor(self._pool, make, self.dest, plan)
            self._under_way[tag] = waiting
            waiting.add_done_callback(lambda done: self._keep(tag, done))
        return await asyncio.shield(waiting)

    def _keep(self, tag: str, done: asyncio.Future[Picture]) -> None:
        self._under_way.pop(tag, None)
        if done.cancelled() or done.exception() is not None:
            return
        self._made[tag] = done.result()
        self._bytes += len(done.result().body)
        while self._bytes > CACHE_BYTES:
            _, dropped = self._made.popitem(last=False)
            self._bytes -= len(dropped.body)

    def close(self) -> None:
        """Wait for the pictures that are being made; those that wait are given up."""
        self._pool.shutdown(cancel_futures=True)


def make(dest: Path, plan: PicturePlan) -> Picture:
    """Blocks: call it in a thread."""
    try:
        return _made(dest, plan)
    except NoPreview as why:
        return Picture(notice(str(why), plan.size), SVG)
    except OSError as error:
        return Picture(notice(f"Cannot be read: {error.strerror}", plan.size), SVG)


def _made(dest: Path, plan: PicturePlan) -> Picture:
    path = dest / plan.paths[0]
    if plan.is_features:
        legend = swatches(plan.classes, {})
        return Picture(draw_features(path, plan.size, legend, plan.properties), SVG)
    if len(plan.paths) == 1:
        reading = read(path, Wanted(plan.size, plan.names, exact=plan.is_label))
        legend = swatches(plan.classes, reading.palette)
        return Picture(encode_png(render(reading, legend, is_label=plan.is_label)), PNG)
    first = read(path, Wanted(plan.size))
    shape = first.valid.shape
    same = Wanted(plan.size, shape=(shape[0], shape[1]))
    bands = [first, *(read(dest / other, same) for other in plan.paths[1:])]
    return Picture(encode_png(composite(bands)), PNG)


def legend_of(dest: Path, plan: PicturePlan) -> list[Swatch]:
    """The legend of a label: one `Swatch` for each class of the catalogue. Reads the head of the file."""
    palette = {} if plan.is_features else palette_of(dest / plan.paths[0])
    return swatches(plan.classes, palette)
