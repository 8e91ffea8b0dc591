"""The three generations of the server of MLHub, as recorded in 2021 and 2022: paging, redirects, errors."""

import base64
import json
from dataclasses import dataclass
from urllib.parse import parse_qs, parse_qsl

import pytest

from mlhub_async import Client, Options, Selection, SourceError, assets, mirror
from support.mirrored import Mirrored
from support.server import tif
from support.stac_server import answer, stac_collection, stac_item
from support.wire_format import Reply

KEY = "0123456789abcdef" * 4
NAMES = [f"tile_{number:02}" for number in range(5)]
SIZE = 2


@dataclass
class Generation:
    """How a server answered: the status of its redirects, where its assets are, and the form of its pages."""

    name: str
    status: int
    folder: str
    etag: str | None

    def page(self, root, start, items):
        """The links and the context of the page that begins with item number `start`."""
        last = start + SIZE >= len(NAMES)
        if self.name == "G1":
            token = base64.urlsafe_b64encode(json.dumps({"serialIdGreaterThan": start + SIZE}).encode())
            href = f"{root}?next={token.decode()}&limit=30"
            link = {"rel": "next", "title": None, "type": "application/json", "href": href}
            return {"links": [link] if items else [], "type": "FeatureCollection"}
        here = {"rel": "self", "href": root.removesuffix("/items")}
        token = f"token=next:{NAMES[min(start + SIZE, len(NAMES)) - 1]}"
        context = {"limit": SIZE, "matched": len(NAMES), "returned": len(items)}
        if self.name == "G2":
            href = f"{root.replace('https://', 'http://')}?key={KEY}&{token}&key={KEY}"
        else:
            here = [here, {"rel": "previous", "href": f"{root}?token=prev:x&key={KEY}"}]
            href = f"{root}?{token}"
        following = {"rel": "next", "type": "application/json", "method": "GET", "href": href}
        listed = here if isinstance(here, list) else [here]
        return {"context": context, "links": listed if last else [*listed, following]}

    def start_of(self, query):
        asked = dict(parse_qsl(query))
        if "next" in asked:
            return json.loads(base64.urlsafe_b64decode(asked["next"]))["serialIdGreaterThan"]
        return NAMES.index(asked["token"].removeprefix("next:")) + 1 if "token" in asked else 0

    def refusal(self):
        if self.name == "G1":
            return Reply(401, [("Content-Type", "text/html")], b"<!DOCTYPE HTML><title>401</title>")
        detail = "Must provide API key or Bearer token to access this route."
        return Reply(401, [("Content-Type", "application/json")], json.dumps({"detail": detail}).encode())


GENERATIONS = [
    Generation("G1", 302, "/radiant-mlhub.s3", None),
    Generation("G2", 301, "/mlhub", "0x8D968C5F3B94E1C"),
    Generation("G3", 303, "/mlhub", '"0x8DA27B5CF6B14FA"'),
]


@pytest.fixture(params=GENERATIONS, ids=lambda one: one.name)
async def hub(request, troubled, authority):
    generation = request.param
    site, storage = [await troubled.site("localhost", authority.context()) for _ in range(2)]
    root = site.url("/mlhub/v1/collections/c/items")

    def item_of(name):
        stored = storage.put(f"{generation.folder}/{name}.tif", tif(900, ord(name[-1])), etag=generation.etag)
        href = site.redirect(f"/mlhub/v1/download/gAAAAAB{name}{'x' * 60}", stored, generation.status)
        nulls = {"description": None, "roles": [], "title": None}
        return stac_item(name, "c", B01={"href": href, "type": "image/tiff", **nulls})

    items = [item_of(name) for name in NAMES]

    def listing(seen):
        if KEY not in parse_qs(seen.query).get("key", []):
            return generation.refusal()
        start = generation.start_of(seen.query)
        found = items[start : start + SIZE]
        return answer({"features": found, **generation.page(root, start, found)})

    site.json("/mlhub/v1/collections/c", stac_collection("c"))
    site.route("/mlhub/v1/collections/c/items", listing)
    site.storage, site.generation, site.root, site.pem = (
        storage,
        generation,
        site.url("/mlhub/v1"),
        str(authority.pem),
    )
    return site


def options(site, **more):
    return Options(selection=Selection(collections="c"), ca_file=site.pem, allow_private=True, **more)


async def test_a_collection_is_mirrored_whole_and_the_key_stays_with_the_api(hub, dest):
    report = await mirror(
        "mlhub", dest, options(hub, api_key=KEY), environ={"MLHUB_ROOT_URL": hub.root, "HOME": "/none"}
    )
    assert report.ok and report.fetched == len(NAMES)
    mirrored = Mirrored(dest)
    assert set(mirrored.files) == {f"c/{name}/B01.tif" for name in NAMES}
    assert len(hub.storage.log) == len(NAMES)
    assert not any(KEY in f"{seen.target}{seen.headers}" for seen in hub.storage.log)
    pages = [parse_qs(seen.query) for seen in hub.log if seen.path.endswith("/items")]
    assert len(pages) == (4 if hub.generation.name == "G1" else 3), "the end: an empty page, or no next link"
    assert all(page["key"] == [KEY] for page in pages), "one copy of the key, however many a link has"
    assert KEY not in (dest / ".mlhub" / "receipt.json").read_text()


async def test_a_client_lists_all_items_in_order(hub):
    async with Client(KEY, root_url=hub.root, environ={}, options=options(hub)) as mlhub:
        assert [item["id"] async for item in mlhub.items("c")] == NAMES


async def test_without_a_key_the_refusal_says_what_to_do(hub, dest):
    async with Client(root_url=hub.root, environ={"HOME": "/none"}, options=options(hub)) as mlhub:
        with pytest.raises(SourceError, match=r"401.*key"):
            _ = [item async for item in mlhub.items("c")]


async def test_links_that_expired_are_renewed_through_their_items(hub, dest):
    async with Client(KEY, root_url=hub.root, environ={}, options=options(hub)) as mlhub:
        (first,) = [item async for item in mlhub.items("c", max_items=1)]
        (asset,) = assets(first)
        hub.json(f"/mlhub/v1/collections/c/items/{NAMES[0]}", first)
        stale = asset._replace(href=f"{hub.root}/download/gAAAAABexpired{'x' * 60}")
        path = await mlhub.download(stale, dest)
        assert path.read_bytes() == tif(900, ord(NAMES[0][-1]))
