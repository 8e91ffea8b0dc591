"""The API origin: the endpoints that Radiant MLHub had in 2022, for one sample catalogue."""

from __future__ import annotations

import gzip
import hmac
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from ..core.json_text import dumps
from ..core.model import JsonObject
from . import sample, search
from .config import PREFIX, DemoConfig, Site
from .documents import DOI, Documents, link
from .faults import request_kind
from .sample import ItemKey, Sample
from .search import Cursor
from .storage.objects import BASE
from .tokens import DownloadTokens

_MIN_GZIP_BYTES = 1000
_KINDS_WITH_KEY = frozenset({"items", "item", "search"})


@dataclass(frozen=True, slots=True)
class Api:
    """The request handlers of the API, except listing and search."""

    config: DemoConfig
    site: Site
    content: Sample
    documents: Documents
    tokens: DownloadTokens

    def routes(self) -> list[web.RouteDef]:
        """The name of a route up to the colon is the kind by which `Site.requests` counts."""
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
            "/collections/{collection}": ("collection", self._require_collection(self.collection)),
            "/collections/{collection}/items": ("items", self._require_collection(pages.items)),
            "/collections/{collection}/items/{item}": ("item", self._require_collection(self.item)),
            "/search": ("search", pages.search),
            "/download/{token}": ("download", self.download),
        }
        routes = [web.get(PREFIX + path, handler, name=name) for path, (name, handler) in table.items()]
        return [*routes, web.post(f"{PREFIX}/search", pages.search, name="search:post")]

    async def landing(self, request: web.Request) -> web.Response:
        return json_response(request, self.documents.landing())

    async def conformance(self, request: web.Request) -> web.Response:
        return json_response(request, self.documents.conformance())

    async def docs(self, request: web.Request) -> web.Response:
        lines = "".join(f"<li>{route.method} {route.path}</li>" for route in self.routes())
        return web.Response(
            text=f"<!doctype html><title>MLHub demo</title><ul>{lines}</ul>", content_type="text/html"
        )

    async def openapi(self, request: web.Request) -> web.Response:
        paths: dict[str, dict[str, object]] = {route.path: {} for route in self.routes()}
        return json_response(
            request, {"openapi": "3.0.0", "info": {"title": "MLHub demo", "version": "1"}, "paths": paths}
        )

    async def datasets(self, request: web.Request) -> web.Response:
        dataset = self.documents.dataset()
        text = f"{dataset['title']} {dataset['description']}".lower()
        has_tags = all(tag in dataset["tags"] for tag in request.query.getall("tags", []))
        has_text = all(phrase.lower() in text for phrase in request.query.getall("text", []))
        return json_response(request, [dataset] if has_tags and has_text else [])

    async def dataset(self, request: web.Request) -> web.Response:
        if (asked := request.match_info["id"]) not in (sample.DATASET, DOI):
            return error_response(404, f"Dataset {asked} does not exist.")
        return json_response(request, self.documents.dataset())

    async def collections(self, request: web.Request) -> web.Response:
        return json_response(request, self.documents.collections())

    async def collection(self, request: web.Request) -> web.Response:
        return json_response(request, self.documents.collection(request.match_info["collection"]))

    def _require_collection(self, handler: Handler) -> Handler:
        """Wraps a handler so that it answers 404 for a collection that does not exist."""

        async def checked(request: web.Request) -> web.StreamResponse:
            if (name := request.match_info["collection"]) not in sample.COLLECTIONS:
                return error_response(404, f"Collection {name} does not exist.")
            return await handler(request)

        return checked

    async def item(self, request: web.Request) -> web.Response:
        name, item = request.match_info["collection"], request.match_info["item"]
        key = self.content.find(item)
        if key is None or key.collection != name:
            return error_response(404, f"Item {item} in collection {name} does not exist.")
        return json_response(request, self.documents.item(key), "application/geo+json")

    async def download(self, request: web.Request) -> web.Response:
        decoded = self.tokens.decode(request.match_info["token"])
        if decoded is None:
            return error_response(404, "Download link not found.")
        path, issued = decoded
        if time.time() - issued >= self.config.token_ttl:
            return error_response(403, "Download link has expired.")
        return web.Response(status=303, headers={"Location": f"{self.site.storage}{BASE}{path}"})


def json_response(request: web.Request, document: Any, media_type: str = "application/json") -> web.Response:
    """A JSON document, compressed if it is large and the client accepts gzip."""
    body, headers = dumps(document), {"Vary": "Accept-Encoding", "Content-Type": media_type}
    if len(body) > _MIN_GZIP_BYTES and "gzip" in request.headers.get("Accept-Encoding", ""):
        body = gzip.compress(body, compresslevel=1, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return web.Response(body=body, headers=headers)


def error_response(status: int, message: str) -> web.Response:
    return web.json_response({"detail": message}, status=status)


@web.middleware
async def json_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Middleware that gives errors for unknown paths and methods a JSON body too."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        return error_response(error.status, error.reason)


def require_key(key: str) -> Middleware:
    """Middleware that requires the key for listings and items, as query parameter or Bearer token."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request_kind(request) not in _KINDS_WITH_KEY:
            return await handler(request)
        given = [*request.query.getall("key", []), *_bearer_tokens(request)]
        if not given:
            return error_response(401, "Must provide API key or Bearer token to access this route.")
        if not any(hmac.compare_digest(each.encode(), key.encode()) for each in given):
            return error_response(401, "Could not identify user from API key or Authentication header.")
        return await handler(request)

    return check


def _bearer_tokens(request: web.Request) -> list[str]:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return [token.strip()] if scheme.lower() == "bearer" else []


@dataclass(frozen=True, slots=True)
class Pages:
    """The request handlers for listing and search."""

    content: Sample
    documents: Documents

    async def items(self, request: web.Request) -> web.Response:
        return await self._page(request, request.match_info["collection"])

    async def search(self, request: web.Request) -> web.Response:
        return await self._page(request)

    async def _page(self, request: web.Request, collection: str = "") -> web.Response:
        try:
            asked = await _parameters(request)
            query = search.parse_query({**asked, "collections": [collection]} if collection else asked)
            limit, cursor = search.parse_limit(asked), search.parse_token(asked, self.content)
        except ValueError as error:
            return error_response(400, str(error))
        keys, more = search.find_page(self.content, query, cursor, limit)
        context: JsonObject = {"limit": limit, "returned": len(keys)}
        if (total := search.count_matched(self.content, query)) is not None:
            context["matched"] = total
        page = {
            "type": "FeatureCollection",
            "context": context,
            "features": [self.documents.item(key) for key in keys],
            "links": [*self._links(collection), *self._page_links(request, asked, cursor, keys, more)],
        }
        return json_response(request, page, "application/geo+json")

    def _links(self, collection: str) -> list[JsonObject]:
        root = self.documents.root
        here = f"{root}/collections/{collection}" if collection else f"{root}/search"
        first = [link("items", f"{here}/items", "application/geo+json")] if collection else []
        return [*first, link("parent", f"{root}/"), link("root", f"{root}/"), link("self", here)]

    def _page_links(
        self, request: web.Request, asked: JsonObject, cursor: Cursor | None, keys: list[ItemKey], more: bool
    ) -> list[JsonObject]:
        """Links to the next and previous page. Only "previous" repeats the client's key, as MLHub did."""
        backwards, links = cursor is not None and cursor.backwards, []
        if keys and (more or backwards):
            links.append(self._page_link(request, asked, "next", f"next:{self.content.item_id(keys[-1])}"))
        if keys and cursor is not None and (more or not backwards):
            token = f"prev:{self.content.item_id(keys[0])}"
            links.append(self._page_link(request, asked, "previous", token))
        return links

    def _page_link(self, request: web.Request, asked: JsonObject, rel: str, token: str) -> JsonObject:
        root = f"{self.documents.root}{request.path.removeprefix(PREFIX)}"
        rest = {name: value for name, value in asked.items() if name not in ("token", "key")}
        if request.method == "POST":
            return {**link(rel, root), "method": "POST", "merge": False, "body": {**rest, "token": token}}
        flat = search.to_query_string(rest)
        if rel == "previous" and "key" in asked:
            flat["key"] = asked["key"]
        return {**link(rel, f"{root}?{urlencode({**flat, 'token': token})}"), "method": "GET"}


async def _parameters(request: web.Request) -> JsonObject:
    if request.method == "POST":
        return search.from_body(await request.read())
    return search.from_query_string(request.query)
