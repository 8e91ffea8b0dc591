"""A mirror served in the event loop of the test, and requests to it that nothing rewrites."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from yarl import URL

from mlhub_async import Selection, mirror
from mlhub_async.api.pages.serving import ServeConfig, serve
from mlhub_async.demo import DemoConfig
from mlhub_async.demo import serve as serve_demo
from support.engine import make_options

LABELS, SOURCES = "ref_landcovernet_v1_labels", "ref_landcovernet_v1_source"


async def copy_demo(dest: Path) -> None:
    """Mirror the sample into `dest`: two labels, with two source images each."""
    async with serve_demo(DemoConfig(items=2, dates=2)) as site:
        environ = {"MLHUB_ROOT_URL": site.root, "MLHUB_API_KEY": site.key}
        options = make_options(Selection(collections=(LABELS,)))
        assert (await mirror("mlhub", dest, options, environ=environ)).exit_code == 0


@dataclass(frozen=True)
class Answer:
    """A response with its whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass(frozen=True)
class Served:
    """`await served.get("/catalog.json", Range="bytes=0-9")`: fields with _ for -."""

    url: str
    session: aiohttp.ClientSession

    async def request(self, method: str, target: str, /, **fields: str) -> Answer:
        """`target` is sent as it is."""
        headers = {name.replace("_", "-"): value for name, value in fields.items()}
        url = URL(f"{self.url}{target}", encoded=True)
        async with self.session.request(method, url, headers=headers, allow_redirects=False) as response:
            return Answer(response.status, response.headers, await response.read())

    async def get(self, target: str, /, **fields: str) -> Answer:
        return await self.request("GET", target, **fields)


@asynccontextmanager
async def served(dest: Path, **config: object) -> AsyncIterator[Served]:
    async with (
        serve(ServeConfig(dest, port=0, **config)) as url,
        aiohttp.ClientSession(auto_decompress=False) as session,
    ):
        yield Served(url, session)
