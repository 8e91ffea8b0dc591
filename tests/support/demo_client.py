"""A visitor of the embedded sample catalogue: small calls that the tests of the demo share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from mlhub_async.demo import DemoConfig, Site, serve
from mlhub_async.demo.sample import Place, Sample

LABELS, SOURCE = "ref_landcovernet_v1_labels", "ref_landcovernet_v1_source"
CHIP = f"{LABELS}_29NMG_12"


class Visitor:
    """Asks a running demo; `key` goes along unless told otherwise."""

    def __init__(self, site: Site, session: aiohttp.ClientSession) -> None:
        self.site, self.session = site, session

    async def get(self, path: str, status: int = 200, **parameters: Any) -> Any:
        asked = {"key": self.site.key} | parameters
        async with self.session.get(self.site.root + path, params=asked) as answer:
            assert answer.status == status, await answer.text()
            return await answer.json(content_type=None)

    async def post(self, body: dict[str, Any], status: int = 200) -> Any:
        url = f"{self.site.root}/search"
        async with self.session.post(url, params={"key": self.site.key}, json=body) as answer:
            assert answer.status == status, await answer.text()
            return await answer.json(content_type=None)

    async def head_of(self, url: str, method: str = "GET", **headers: str) -> tuple[int, Any, bytes]:
        """Status, headers and body of the final answer."""
        async with self.session.request(method, url, headers=headers) as answer:
            return answer.status, answer.headers, await answer.read()

    @staticmethod
    def label(number: int) -> str:
        """The id of the label item with this number, in a demo of any size."""
        return Sample(number + 1, 1).item_id(Place(number))

    async def follow(self, href: str) -> str:
        async with self.session.get(href, allow_redirects=False) as answer:
            assert answer.status == 303
            return answer.headers["Location"]

    async def asset(self, collection: str, item: str, key: str) -> str:
        return str((await self.get(f"/collections/{collection}/items/{item}"))["assets"][key]["href"])


@asynccontextmanager
async def visiting(config: DemoConfig) -> AsyncIterator[Visitor]:
    async with serve(config) as site, aiohttp.ClientSession() as session:
        yield Visitor(site, session)
