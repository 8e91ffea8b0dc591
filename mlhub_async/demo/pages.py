"""Listings, page by page: `token=next:<item id>`, and a last page without `next`."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from aiohttp import web

from ..core.model import JsonObject
from . import listing, search
from .answers import detail, written
from .config import PREFIX
from .documents import Documents, link
from .listing import Turn
from .sample import Place, Sample


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
        places, more = listing.page(self.content, query, turn, limit)
        context: JsonObject = {"limit": limit, "returned": len(places)}
        if (total := listing.matched(self.content, query)) is not None:
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
