"""The first origin: the paths that Radiant MLHub had in 2022, answered for one sample."""

from __future__ import annotations

import time
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler

from . import sample
from .answers import detail, written
from .config import PREFIX, DemoConfig, Site
from .documents import DOI, Documents
from .pages import Pages
from .sample import Sample
from .storage import BASE
from .tokens import Mint


@dataclass(frozen=True, slots=True)
class Api:
    """Answers API requests for one site."""

    config: DemoConfig
    site: Site
    content: Sample
    documents: Documents
    mint: Mint

    def routes(self) -> list[web.RouteDef]:
        pages = Pages(self.content, self.documents)
        table: dict[str, tuple[str, Handler]] = {
            "": ("root", self.landing),
            "/": ("root:slash", self.landing),
            "/conformance": ("conformance", self.conformance),
            "/docs": ("docs", self.docs),
            "/api": ("api", self.openapi),
            "/datasets": ("datasets", self.datasets),
            "/datasets/doi/{id:.+}": ("dataset:doi", self.dataset),
            "/datasets/{id}": ("dataset", self.dataset),
            "/collections": ("collections", self.collections),
            "/collections/{collection}": ("collection", self._known(self.collection)),
            "/collections/{collection}/items": ("items", self._known(pages.items)),
            "/collections/{collection}/items/{item}": ("item", self._known(self.item)),
            "/search": ("search", pages.search),
            "/download/{token}": ("download", self.download),
        }
        routes = [web.get(PREFIX + path, handler, name=name) for path, (name, handler) in table.items()]
        return [*routes, web.post(f"{PREFIX}/search", pages.search, name="search:post")]

    async def landing(self, request: web.Request) -> web.Response:
        return written(request, self.documents.landing())

    async def conformance(self, request: web.Request) -> web.Response:
        return written(request, self.documents.conformance())

    async def docs(self, request: web.Request) -> web.Response:
        lines = "".join(f"<li>{route.method} {route.path}</li>" for route in self.routes())
        return web.Response(
            text=f"<!doctype html><title>MLHub demo</title><ul>{lines}</ul>", content_type="text/html"
        )

    async def openapi(self, request: web.Request) -> web.Response:
        paths: dict[str, dict[str, object]] = {route.path: {} for route in self.routes()}
        return written(
            request, {"openapi": "3.0.0", "info": {"title": "MLHub demo", "version": "1"}, "paths": paths}
        )

    async def datasets(self, request: web.Request) -> web.Response:
        dataset = self.documents.dataset()
        words = f"{dataset['title']} {dataset['description']}".lower()
        tagged = all(tag in dataset["tags"] for tag in request.query.getall("tags", []))
        named = all(text.lower() in words for text in request.query.getall("text", []))
        return written(request, [dataset] if tagged and named else [])

    async def dataset(self, request: web.Request) -> web.Response:
        if (asked := request.match_info["id"]) not in (sample.DATASET, DOI):
            return detail(404, f"Dataset {asked} does not exist.")
        return written(request, self.documents.dataset())

    async def collections(self, request: web.Request) -> web.Response:
        return written(request, self.documents.collections())

    async def collection(self, request: web.Request) -> web.Response:
        return written(request, self.documents.collection(request.match_info["collection"]))

    def _known(self, handler: Handler) -> Handler:
        """Answers 404 for a collection that does not exist."""

        async def checked(request: web.Request) -> web.StreamResponse:
            if (name := request.match_info["collection"]) not in sample.COLLECTIONS:
                return detail(404, f"Collection {name} does not exist.")
            return await handler(request)

        return checked

    async def item(self, request: web.Request) -> web.Response:
        name, item = request.match_info["collection"], request.match_info["item"]
        place = self.content.find(item)
        if place is None or place.collection != name:
            return detail(404, f"Item {item} in collection {name} does not exist.")
        return written(request, self.documents.item(place), "application/geo+json")

    async def download(self, request: web.Request) -> web.Response:
        opened = self.mint.opened(request.match_info["token"])
        if opened is None:
            return detail(404, "Download link not found.")
        path, made = opened
        if time.time() - made >= self.config.token_ttl:
            return detail(403, "Download link has expired.")
        return web.Response(status=303, headers={"Location": f"{self.site.storage}{BASE}{path}"})
