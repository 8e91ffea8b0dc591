"""What a SOURCE means, and the network it is read through."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from typing import Any

from ..core.errors import LimitReached
from ..core.options import Options
from ..core.ports import Source
from ..http.client import Http
from ..sources.recognise import handed_over, recognise
from ..sources.source_links import FirstTime
from .network import local_root, mlhub_root, network

Given = str | os.PathLike[str] | Iterable[Any] | AsyncIterable[Any]
"""A SOURCE of the command line, or STAC items: dicts or objects with `to_dict`, pystac's for example."""


def root_of(source: Given) -> str:
    """The folder that a local SOURCE is read from; "" for one on the network, or of objects."""
    root = local_root(os.fspath(source)) if isinstance(source, str | os.PathLike) else None
    return str(root.resolve()) if root is not None else ""


class Deadline:
    """When --max-duration is over, counted from now on. None: never."""

    def __init__(self, seconds: float | None) -> None:
        self._when = None if seconds is None else asyncio.get_running_loop().time() + seconds

    @contextlib.asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Raises `LimitReached` in what is still going on then."""
        over = asyncio.timeout_at(self._when)
        try:
            async with over:
                yield
        except TimeoutError:
            if not over.expired():
                raise
            raise LimitReached("--max-duration is over; run again to go on where this stopped") from None


@contextlib.asynccontextmanager
async def opened(
    source: Given,
    options: Options,
    environ: Mapping[str, str],
    deadline: Deadline,
    first_time: FirstTime | None = None,
) -> AsyncIterator[tuple[Source, Http]]:
    """The source that a SOURCE means, and the network it is read through, which is closed at the end."""
    source = os.fspath(source) if isinstance(source, os.PathLike) else source
    word = source if isinstance(source, str) else "-"
    async with network(word, options, environ) as http:
        asked: dict[str, Any] = {"allow_origins": options.allow_origins, "first_time": first_time}
        if not isinstance(source, str):
            yield handed_over(source, http, options.selection, **asked), http
            return
        async with deadline.kept():
            found = await recognise(
                source,
                http,
                options.selection,
                mlhub_root=mlhub_root(environ),
                **asked,
            )
        yield found, http
