"""The first origin: the paths that Radiant MLHub had in 2022, answered for one sample."""

from __future__ import annotations

import gzip
import hmac
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from ..core.model import JsonObject
from . import sample, search
from .config import PREFIX, DemoConfig, Site
from .documents import DOI, Documents, link
from .faults import kind_of
from .sample import Place, Sample
from .search import Turn
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


_KEYED = frozenset({"items", "item", "search"})


def written(request: web.Request, document: Any, media_type: str = "application/json") -> web.Response:
    body, headers = orjson.dumps(document), {"Vary": "Accept-Encoding", "Content-Type": media_type}
    if len(body) > 1000 and "gzip" in request.headers.get("Accept-Encoding", ""):
        body = gzip.compress(body, compresslevel=1, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return web.Response(body=body, headers=headers)


def detail(status: int, message: str) -> web.Response:
    return web.json_response({"detail": message}, status=status)


@web.middleware
async def explained(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Unknown paths and methods get a JSON body too."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        return detail(error.status, error.reason)


def keyed(key: str) -> Middleware:
    """Middleware that asks listings and items for the key, as query parameter or Bearer token."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if kind_of(request) not in _KEYED:
            return await handler(request)
        given = [*request.query.getall("key", []), *_bearer(request)]
        if not given:
            return detail(401, "Must provide API key or Bearer token to access this route.")
        if not any(hmac.compare_digest(each.encode(), key.encode()) for each in given):
            return detail(401, "Could not identify user from API key or Authentication header.")
        return await handler(request)

    return check


def _bearer(request: web.Request) -> list[str]:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return [token.strip()] if scheme.lower() == "bearer" else []


@dataclass(frozen=True, slots=True)
class Pages:
    """Answers listing and search requests."""

    content: Sample
    documents: Documents

    async def items(self, request: web.Request) -> web.Response:
        return await self._page(request, request.match_info["collection"])

    async def search(self, request: web.Request) -> web.Response:
        return await self._page(request)

    async def _page(self, request: web.Request, collection: str = "") -> web.Response:
        try:
            asked = await _asked(request)
            query = search.query({**asked, "collections": [collection]} if collection else asked)
            limit, turn = search.limit(asked), search.turn(asked, self.content)
        except ValueError as error:
            return detail(400, str(error))
        places, more = search.page(self.content, query, turn, limit)
        context: JsonObject = {"limit": limit, "returned": len(places)}
        if (total := search.matched(self.content, query)) is not None:
            context["matched"] = total
        page = {
            "type": "FeatureCollection",
            "context": context,
            "features": [self.documents.item(place) for place in places],
            "links": [*self._links(collection), *self._turns(request, asked, turn, places, more)],
        }
        return written(request, page, "application/geo+json")

    def _links(self, collection: str) -> list[JsonObject]:
        root = self.documents.root
        here = f"{root}/collections/{collection}" if collection else f"{root}/search"
        first = [link("items", f"{here}/items", "application/geo+json")] if collection else []
        return [*first, link("parent", f"{root}/"), link("root", f"{root}/"), link("self", here)]

    def _turns(
        self, request: web.Request, asked: JsonObject, turn: Turn | None, places: list[Place], more: bool
    ) -> list[JsonObject]:
        """The links to the neighbours. Only `previous` repeats the caller's key, as the original did."""
        back, links = turn is not None and turn.back, []
        if places and (more or back):
            links.append(self._turn(request, asked, "next", f"next:{self.content.item_id(places[-1])}"))
        if places and turn is not None and (more or not back):
            token = f"prev:{self.content.item_id(places[0])}"
            links.append(self._turn(request, asked, "previous", token))
        return links

    def _turn(self, request: web.Request, asked: JsonObject, rel: str, token: str) -> JsonObject:
        root = f"{self.documents.root}{request.path.removeprefix(PREFIX)}"
        rest = {name: value for name, value in asked.items() if name not in ("token", "key")}
        if request.method == "POST":
            return {**link(rel, root), "method": "POST", "merge": False, "body": {**rest, "token": token}}
        flat = search.to_query(rest)
        if rel == "previous" and "key" in asked:
            flat["key"] = asked["key"]
        return {**link(rel, f"{root}?{urlencode({**flat, 'token': token})}"), "method": "GET"}


async def _asked(request: web.Request) -> JsonObject:
    if request.method == "POST":
        return search.of_body(await request.read())
    return search.of_query(request.query)
