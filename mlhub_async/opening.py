"""What a SOURCE means, and the network it is read through."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from typing import Any

from .http import Http
from .network import local_root, mlhub_root, network
from .options import Options
from .ports import Source
from .sources import of_objects, recognise
from .sources.links import FirstTime

Given = str | os.PathLike[str] | Iterable[Any] | AsyncIterable[Any]
"""A SOURCE of the command line, or STAC items: dicts or objects with `to_dict`, pystac's for example."""


def root_of(source: Given) -> str:
    """The folder that a local SOURCE is read from; "" for one on the network, or of objects."""
    root = local_root(os.fspath(source)) if isinstance(source, str | os.PathLike) else None
    return str(root.resolve()) if root is not None else ""


@contextlib.asynccontextmanager
async def opened(
    source: Given, options: Options, environ: Mapping[str, str], first_time: FirstTime | None = None
) -> AsyncIterator[tuple[Source, Http]]:
    """The source that a SOURCE means, and the network it is read through, which is closed at the end."""
    source = os.fspath(source) if isinstance(source, os.PathLike) else source
    word = source if isinstance(source, str) else "-"
    async with network(word, options, environ) as http:
        if isinstance(source, str):
            yield (
                await recognise(
                    source,
                    http,
                    options.selection,
                    mlhub_root=mlhub_root(environ),
                    allow_origins=options.allow_origins,
                    first_time=first_time,
                ),
                http,
            )
        else:
            yield of_objects(source, options.selection), http
