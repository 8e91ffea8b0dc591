"""Small catalogues of every form, of which is known which items come by which link.

`catalogues(origin)` gives them by name. A `Point` is the target of a link that a fuzz puts another answer on.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin
from zlib import crc32

from support.server import tif
from support.stac_server import CONFORMS, Json, stac_collection, stac_item

GONE = "gone"
"""The item of the first collection that an earlier version of each catalogue has too."""
NOT_FOLLOWED = ("parent", "root", "self")
"""Relations that lead to nothing that a listing needs."""


@dataclass(frozen=True)
class Point:
    """A URL that a link with the relation `rel` leads to ("SOURCE": the root of the catalogue itself)."""

    rel: str
    path: str
    behind: tuple[str, ...] = ()
    """the items that come by this URL only"""
    member: str = ""
    """"features" or "collections" for a page of a listing"""
    later: bool = False
    """a page after the first"""


@dataclass
class Catalogue:
    """The documents of one catalogue by path, its items by id, and the points where answers may differ."""

    name: str
    origin: str
    root: str
    documents: dict[str, Any]
    items: dict[str, Json]
    points: dict[str, Point]
    selection: dict[str, Any] = field(default_factory=dict)
    totals: bool = False
    """its pages announce how many items there are"""

    @property
    def url(self) -> str:
        return self.origin + self.root

    def behind(self, point: Point) -> list[Json]:
        return [self.items[name] for name in point.behind]

    def others(self, point: Point) -> dict[str, Any]:
        """Documents from which the items behind a point can be had too, by path: see `other_base`."""
        base, items = self.other_base(point), self.behind(point)
        found: dict[str, Any] = {f"{base}/{one['id']}.json": one for one in items}
        found[f"{base}/rest"] = page(items[1:])
        url = f"{self.origin}{base}"
        named = list(dict.fromkeys(one["collection"] for one in items))
        collections = [_collection(name, ("items", f"{url}/collections/{name}/items")) for name in named]
        found[f"{base}/collections"] = {"collections": collections, "links": []}
        for one in collections:
            path = f"{base}/collections/{one['id']}"
            found[path] = one
            found[f"{path}/items"] = page([item for item in items if item["collection"] == one["id"]])
        return found

    def other_base(self, point: Point) -> str:
        return f"/{self.name}/other/{point.rel}"

    def with_twin(self, point: Point, twin: Json, first: bool) -> dict[str, Any]:
        """The documents that link to a point, by path, with one more link of the same relation beside it."""
        found = {}
        for path, document in self.documents.items():
            changed = copy.deepcopy(document)
            if _add_twin(changed, self.origin + path, self.origin + point.path, point.rel, twin, first):
                found[path] = changed
        return found


def _add_twin(body: Any, base: str, target: str, rel: str, twin: Json, first: bool) -> bool:
    if isinstance(body, list):
        return any([_add_twin(one, base, target, rel, twin, first) for one in body])
    if not isinstance(body, dict):
        return False
    added = any([_add_twin(one, base, target, rel, twin, first) for one in body.values()])
    links = body.get("links", ())
    for at, one in enumerate(links):
        if one["rel"] == rel and urljoin(base, one["href"]) == target:
            links.insert(at if first else at + 1, {"rel": rel, **twin})
            return True
    return added


def page(items: Iterable[Json], next: str = "", total: int | None = None) -> Json:
    found = list(items)
    links = [{"rel": "next", "href": next, "type": "application/geo+json"}] if next else []
    counts = {} if total is None else {"numberMatched": total, "numberReturned": len(found)}
    return {"type": "FeatureCollection", "features": found, "links": links, **counts}


def catalog(*links: tuple[str, str], **more: Any) -> Json:
    about = {"type": "Catalog", "stac_version": "1.0.0", "id": "catalogue", "description": "A catalogue"}
    return {**about, "links": _links(links), **more}


def landing(*links: tuple[str, str]) -> Json:
    return catalog(*links, id="api", conformsTo=CONFORMS)


def _collection(name: str, *links: tuple[str, str]) -> Json:
    return stac_collection(name, links=_links(links))


def _links(links: Iterable[tuple[str, str]]) -> list[Json]:
    return [{"rel": rel, "href": href} for rel, href in links]


class _Builder:
    """The documents of one catalogue while it is put together."""

    def __init__(self, name: str, origin: str, earlier: bool) -> None:
        self.name, self.origin, self.earlier = name, origin, earlier
        self.documents: dict[str, Any] = {}
        self.items: dict[str, Json] = {}
        self.points: dict[str, Point] = {}
        elsewhere = (*NOT_FOLLOWED, "collection")
        self.elsewhere = [(rel, self.put(f"elsewhere/{rel}.json", catalog(), rel)) for rel in elsewhere]

    def put(self, path: str, document: Any, rel: str = "", *behind: Json, **about: Any) -> str:
        """Serve a document of this catalogue, as a point if `rel` is given; gives its URL."""
        path = f"/{self.name}/{path}"
        self.documents[path] = document
        if rel:
            self.points[rel] = Point(
                rel.rpartition(" ")[2], path, tuple(one["id"] for one in behind), **about
            )
        return self.origin + path

    def item(self, name: str, collection: str, *links: tuple[str, str], **properties: Any) -> Json:
        asset = f"{self.origin}/{self.name}/assets/{name}.tif"
        found = stac_item(name, collection, properties=properties, data=asset)
        found["links"] = _links([*self.elsewhere, *links])
        self.items[name] = found
        return found

    def of(self, collection: str, *names: str) -> list[Json]:
        """Items; in an earlier version one more in the collection c1."""
        more = (GONE,) if self.earlier and collection == "c1" else ()
        return [self.item(name, collection) for name in (*names, *more)]

    def done(self, root: str, *, totals: bool = False, **selection: Any) -> Catalogue:
        root = f"/{self.name}/{root}"
        items = {name: one for name, one in self.items.items() if name != GONE}
        self.points["SOURCE"] = Point("SOURCE", root, tuple(items), "features" if "list" in root else "")
        return Catalogue(self.name, self.origin, root, self.documents, items, self.points, selection, totals)


def _static(make: _Builder) -> Catalogue:
    """Item links in one collection, a paged `items` link in the other."""
    first, second = make.of("c1", "a1", "a2", "a3"), make.of("c2", "b1", "b2", "b3")
    make.put("c2/items-2.json", page(second[2:]), "next", *second[2:], member="features", later=True)
    make.put("c2/items.json", page(second[:2], "items-2.json"), "items", *second, member="features")
    for one in first:
        make.put(f"c1/{one['id']}.json", one, "item" if one["id"] == "a2" else "", one)
    links = [("item", f"./{one['id']}.json") for one in first]
    make.put("c1/collection.json", _collection("c1", *make.elsewhere[:3], *links), "child", *first)
    make.put("c2/collection.json", _collection("c2", ("items", "./items.json")))
    children = ("child", "./c1/collection.json"), ("child", "./c2/collection.json")
    make.put("catalog.json", catalog(*make.elsewhere[:3], *children))
    return make.done("catalog.json")


def _mixed(make: _Builder) -> Catalogue:
    """An API below a static catalogue."""
    make.put("c1/collection.json", _collection("c1", *_item_links(make, make.of("c1", "a1", "a2"))))
    items = make.of("c2", "b1", "b2", "b3")
    _api_collection(make, "c2", items, 2, None)
    make.put("api/collections", {"collections": [make.documents["/mixed/api/collections/c2"]], "links": []})
    make.points["data"] = Point("data", "/mixed/api/collections", ("b1", "b2", "b3"), "collections")
    make.put("api", landing(("data", f"{make.origin}/mixed/api/collections")), "child", *items)
    make.put("catalog.json", catalog(("child", "./c1/collection.json"), ("child", "./api")))
    return make.done("catalog.json")


def _item_links(make: _Builder, items: Iterable[Json]) -> list[tuple[str, str]]:
    return [("item", make.put(f"{one['collection']}/{one['id']}.json", one)) for one in items]


def _api_collection(
    make: _Builder, name: str, items: list[Json], size: int, total: int | None, folder: str = ""
) -> Json:
    """A collection, its items on two pages; `folder`: not at the usual path."""
    path = folder or f"api/collections/{name}/items"
    rest = [one for one in items[size:] if one["id"] != GONE]
    earlier = [one for one in items if one["id"] == GONE]
    points = ("next", "items") if not folder else ("", "")
    about: dict[str, Any] = {"member": "features"}
    then = (
        make.put(f"{path}-2", page(rest, total=total), points[0], *rest, later=True, **about) if rest else ""
    )
    first = page([*items[:size], *earlier], then, total)
    at = make.put(path, first, points[1], *[one for one in items if one["id"] != GONE], **about)
    own = f"{make.origin}/{make.name}/api/collections/{name}"
    found = _collection(name, ("self", own), ("items", at))
    make.put(f"api/collections/{name}", found)
    return found


def _api(make: _Builder) -> Catalogue:
    """Listed collection by collection, with totals; the items of one are at an unusual path."""
    one, two = make.of("c1", "a1", "a2", "a3"), make.of("c2", "b1", "b2")
    collections = [
        _api_collection(make, "c1", one, 2, len(one)),
        _api_collection(make, "c2", two, 2, len(two), "api/granules/of-c2"),
    ]
    listed = {"collections": collections, "links": []}
    data = make.put("api/collections", listed, "data", *make.items.values(), member="collections")
    make.put("api", landing(*make.elsewhere[:3], ("data", data)))
    return make.done("api", totals=True)


def _named(make: _Builder) -> Catalogue:
    """The same without totals, by the names of its collections, whose list has two pages."""
    one, two = make.of("c1", "a1", "a2", "a3"), make.of("c2", "b1", "b2")
    first = _api_collection(make, "c1", one, 2, None)
    second = _api_collection(make, "c2", two, 2, None, "api/granules/of-c2")
    make.points["description"] = Point("description", "/named/api/collections/c2", ("b1", "b2"))
    then = make.put("api/collections-2", {"collections": [second], "links": []})
    data = make.put("api/collections", {"collections": [first], "links": _links([("next", then)])})
    make.put("api", landing(("data", data)))
    return make.done("api", collections=("c1", "c2"))


def _collections(make: _Builder) -> Catalogue:
    """All collections of an API, whose list has two pages; no totals."""
    _named(make)
    make.points = {}
    path = f"/{make.name}/api/collections-2"
    make.points["next of collections"] = Point("next", path, ("b1", "b2"), "collections", True)
    return make.done("api")


def _search(make: _Builder, totals: bool = True) -> Catalogue:
    """By a search with three pages."""
    found = [*make.of("c1", "a1", "a2", "a3"), *make.of("c2", "b1", "b2")]
    found.sort(key=lambda one: one["id"] != GONE)
    size, total = 2 + make.earlier, len(found) if totals else None
    rest, last = found[size : size + 2], found[size + 2 :]
    about: dict[str, Any] = {"member": "features", "later": True}
    third = make.put("api/search-3", page(last, total=total), "last next", *last, **about)
    second = make.put("api/search-2", page(rest, third, total), "next", *rest, *last, **about)
    search = make.put(
        "api/search", page(found[:size], second, total), "search", *make.items.values(), member="features"
    )
    named = [_collection(name) for name in ("c1", "c2")]
    for one in named:
        make.put(f"api/collections/{one['id']}", one)
    data = make.put("api/collections", {"collections": named, "links": []})
    make.put("api", landing(("data", data), ("search", search)))
    return make.done("api", totals=totals, bbox=(-180.0, -90.0, 180.0, 90.0))


def _list(make: _Builder) -> Catalogue:
    """A FeatureCollection that goes on."""
    found = [*make.of("c1", "a1", "a2", "a3"), *make.of("c2", "b1", "b2")]
    found.sort(key=lambda one: one["id"] != GONE)
    then = make.put("list-2.json", page(found[2:]), "next", *found[2:], member="features", later=True)
    make.put("list.json", page(found[:2], then))
    return make.done("list.json")


def _labels(make: _Builder) -> Catalogue:
    """Label items with source links to items of a collection that nothing else leads to."""
    imagery, labels = [], []
    for number in (1, 2):
        image = make.item(f"s{number}", "imagery")
        at = make.put(f"imagery/s{number}.json", image, "source" if number == 1 else "", image)
        imagery.append(image)
        labels.append(make.item(f"l{number}", "c1", ("source", at), **{"label:type": "raster"}))
    links = _item_links(make, [*labels, *make.of("c1")])
    make.points["item"] = Point("item", "/labels/c1/l2.json", ("l2", "s2"))
    make.put("c1/collection.json", _collection("c1", *links))
    make.put("catalog.json", catalog(("child", "./c1/collection.json")))
    return make.done("catalog.json")


_BUILDERS: Mapping[str, Callable[[_Builder], Catalogue]] = {
    "static": _static,
    "mixed": _mixed,
    "api": _api,
    "named": _named,
    "collections": _collections,
    "search": _search,
    "open-search": lambda make: _search(make, totals=False),
    "list": _list,
    "labels": _labels,
}
NAMES = tuple(_BUILDERS)


def build(name: str, origin: str, *, earlier: bool = False) -> Catalogue:
    """The catalogue of this name; `earlier`: as it was while it had the item `GONE` too."""
    return _BUILDERS[name](_Builder(name, origin, earlier))


def asset_bytes(catalogue: str, item: str) -> bytes:
    """What the asset of an item holds: other bytes for each."""
    return tif(300, crc32(f"{catalogue}/{item}".encode()))
