"""Readers for tests (documents in a dict, and HTTP by aiohttp), and STAC documents to read with them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp

from mlhub_async import stac
from mlhub_async.core import urls
from mlhub_async.core.errors import MlhubError, TransferError
from mlhub_async.core.model import (
    Collection,
    CollectionListed,
    Document,
    Entry,
    Flaw,
    Item,
    ListingRemarks,
    Request,
)
from mlhub_async.core.options import Selection
from mlhub_async.core.ports import Source
from mlhub_async.http.status import classified, refused
from mlhub_async.sources.location import locate
from mlhub_async.sources.recognise import recognise


class Documents:
    """A Reader over a dict of URL (or `posted(url, body)`) to JSON value, bytes, or the error to raise.

    `asked` has the URLs of all requests. `file:` URLs that are not in the dict are read from disk.
    """

    def __init__(self, known: Mapping[str, Any] | None = None) -> None:
        self.known = dict(known or {})
        self.asked: list[str] = []

    async def read(self, request: Request) -> Document:
        self.asked.append(request.url)
        body = json.loads(request.body) if request.body else None
        found = self.known.get(posted(request.url, body) if request.method == "POST" else request.url)
        if isinstance(found, TransferError):
            raise classified(found)
        if isinstance(found, MlhubError):
            raise found
        if found is None and request.url.startswith("file:"):
            found = parsed(_from_disk(request.url), 200)
        if found is None:
            raise refused(404, f"{urls.redacted(request.url)}: 404")
        return Document(json.loads(json.dumps(found)), request.url)

    read_unless_data = read

    async def read_bytes(self, request: Request) -> tuple[bytes, str]:
        return self.known[request.url], request.url


def posted(url: str, body: Any) -> str:
    return f"POST {url} {json.dumps(body, sort_keys=True)}"


class Wire:
    """A Reader over real sockets, without retries."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session

    async def read(self, request: Request) -> Document:
        async with self.session.request(
            request.method, request.url, data=request.body, headers=request.headers
        ) as response:
            return Document(parsed(await response.read(), response.status), str(response.url))

    read_unless_data = read


def parsed(body: bytes, status: int) -> Any:
    if status != 200:
        raise refused(status, f"answered {status}")
    try:
        return json.loads(body)
    except json.JSONDecodeError as error:
        raise TransferError("not JSON", kind="not-json", status=status) from error


def _from_disk(url: str) -> bytes:
    try:
        return urls.to_path(url).read_bytes()
    except FileNotFoundError as error:
        raise TransferError(f"{urls.redacted(url)}: no such file", kind="not-found") from error


async def entries(source: Any) -> list[Entry]:
    found: list[Entry] = []

    async def emit(some: Any) -> None:
        found.extend(some)

    await source.list(emit)
    return found


async def listed(where: str, reader: Documents, **selection: Any) -> list[Entry]:
    """The entries that a SOURCE of the command line emits."""
    return await entries(await recognised(where, reader, **selection))


async def recognised(
    where: str,
    reader: Documents,
    *,
    allow_origins: Sequence[str] = (),
    first_time: Any = None,
    **selection: Any,
) -> Source:
    """The source that a SOURCE of the command line is recognised as."""
    location = locate(where, "https://hub.test/v1")
    chosen = Selection(**selection)
    return await recognise(location, reader, chosen, allow_origins=allow_origins, first_time=first_time)


def item(name: str, collection: str | None = "c", **more: Any) -> dict[str, Any]:
    body = {"type": "Feature", "id": name, "properties": {}, "assets": {}, "links": [], **more}
    return body if collection is None else {**body, "collection": collection}


def page(*features: Any, next: Any = None, **more: Any) -> dict[str, Any]:
    """A page of a listing; `next` is an href or a whole link object."""
    link = {"href": next} if isinstance(next, str) else next
    return {
        "type": "FeatureCollection",
        "features": list(features),
        "links": [{"rel": "self", "href": "https://api.test/"}, {"rel": "next", **link}] if link else [],
        **more,
    }


def link(rel: str, href: Any, **more: Any) -> dict[str, Any]:
    return {"rel": rel, "href": href, **more}


API = "https://api.test/stac"
CONFORMS = ["https://api.stacspec.org/v1.0.0/core", "https://api.stacspec.org/v1.0.0/item-search#query"]


def landing(*methods, **more):
    links = [link("search", f"{API}/search", method=method) for method in methods]
    return {
        "type": "Catalog",
        "id": "x",
        "links": [link("data", f"{API}/collections"), *links],
        "conformsTo": CONFORMS,
        **more,
    }


def collection(name, **more):
    return {"type": "Collection", "id": name, "links": [], **more}


def api(*methods, names="ab", known=None, **more):
    """A reader of an API with collections named a, b …, of two items each."""
    documents = {
        API: landing(*methods, **more),
        f"{API}/collections": {"collections": [*map(collection, names)]},
    }
    for name in names:
        documents[f"{API}/collections/{name}"] = collection(name)
        documents[f"{API}/collections/{name}/items?limit=100"] = page(
            item(f"{name}1", name), item(f"{name}2", name), numberMatched=2
        )
    return Documents({**documents, **(known or {})})


def summary(found):
    """The entries in order: items as id, collections as [id], flaws as !kind, pages as -."""
    return [
        one.id
        if isinstance(one, Item)
        else f"[{one.id}]"
        if isinstance(one, Collection)
        else f"!{one.error.kind}"
        if isinstance(one, Flaw)
        else "-"
        for one in found
        if not isinstance(one, CollectionListed | ListingRemarks)
    ]


async def ids(reader: Any, request: Request, **options: Any) -> list[str]:
    return [one["id"] async for found in stac.pages(reader, request, **options) for one in found.records]


async def walked(reader: Any, request: Request, **options: Any) -> list[int]:
    """How many records each page had."""
    return [len(found.records) async for found in stac.pages(reader, request, **options)]
