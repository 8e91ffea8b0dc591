"""A client of the embedded sample catalogue: the calls that the tests of the demo share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from mlhub_async.demo import DemoConfig, Site, serve
from mlhub_async.demo.sample import ItemKey, Sample

LABELS, SOURCE = "ref_landcovernet_v1_labels", "ref_landcovernet_v1_source"
CHIP = f"{LABELS}_29NMG_12"


class DemoClient:
    """Sends requests to a running demo, with its key unless another `key` is given."""

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

    async def fetch(self, url: str, method: str = "GET", **headers: str) -> tuple[int, Any, bytes]:
        """Status, headers and body of the final answer."""
        async with self.session.request(method, url, headers=headers) as answer:
            return answer.status, answer.headers, await answer.read()

    @staticmethod
    def label(number: int) -> str:
        """The id of the label item with this number, in a demo of any size."""
        return Sample(number + 1, 1).item_id(ItemKey(number))

    async def location_of(self, href: str) -> str:
        """Where a download link redirects to."""
        async with self.session.get(href, allow_redirects=False) as answer:
            assert answer.status == 303
            return answer.headers["Location"]

    async def asset_href(self, collection: str, item: str, key: str) -> str:
        return str((await self.get(f"/collections/{collection}/items/{item}"))["assets"][key]["href"])


@asynccontextmanager
async def connected(config: DemoConfig) -> AsyncIterator[DemoClient]:
    """A client of a demo that runs until the end of the block."""
    async with serve(config) as site, aiohttp.ClientSession() as session:
        yield DemoClient(site, session)
