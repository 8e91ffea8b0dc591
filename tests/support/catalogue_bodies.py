"""What may come at a link of a catalogue in place of the right document, and what that means.

`BODIES` by name; `STATUSES` by name. A `Meaning` is what can be known from an answer of status 200.
"""

from __future__ import annotations

import enum
import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from support.catalogue_sites import Catalogue, Point, catalog, landing, page
from support.server import noise
from support.stac_server import Json, stac_collection
from support.wire_format import Reply


class Meaning(enum.Enum):
    """What a reader can know of the items behind a point from a body."""

    SURE = "it is understood and brings them all"
    WHOLE = "brings them all, if it is understood"
    PART = "valid, brings some of them"
    EMPTY = "valid, says that there are none"
    UNREADABLE = "says nothing of them, and always will"
    DAMAGED = "says nothing of them, and may be right the next time"


@dataclass(frozen=True)
class Place:
    """A point of a catalogue, for which a body is made."""

    catalogue: Catalogue
    point: Point

    @property
    def right(self) -> Any:
        return self.catalogue.documents[self.point.path]

    @property
    def items(self) -> list[Json]:
        return self.catalogue.behind(self.point)

    @property
    def collection(self) -> str:
        """The collection of the items, or of the first of them."""
        return self.items[0]["collection"] if self.items else "c1"

    def other(self, name: str) -> str:
        return f"{self.catalogue.origin}{self.catalogue.other_base(self.point)}/{name}"

    def item_links(self) -> list[tuple[str, str]]:
        return [("item", self.other(f"{one['id']}.json")) for one in self.items]


Means = Callable[[Point], Meaning]


@dataclass(frozen=True)
class Body:
    """One kind of body. `make` gives the whole answer of status 200."""

    make: Callable[[Place], Reply]
    means: Means
    is_data: bool = False
    """it is no JSON object or array, and may be a file that is no part of the catalogue"""


def _always(meaning: Meaning) -> Means:
    return lambda point: meaning


def _sure_at(*rels: str) -> Means:
    """At links with these relations, but for pages of collections; "data" is one of these."""

    def means(point: Point) -> Meaning:
        sure = point.rel in rels and (point.member != "collections" or point.rel == "data")
        return Meaning.SURE if sure else Meaning.WHOLE

    return means


def _json(value: Any, content_type: str = "application/json") -> Reply:
    return Reply(200, [("Content-Type", content_type)], json.dumps(value).encode())


def _text(body: bytes | str, content_type: str) -> Reply:
    return Reply(200, [("Content-Type", content_type)], body.encode() if isinstance(body, str) else body)


def _right(change: Callable[[bytes], bytes] = lambda body: body, *headers: tuple[str, str]) -> Any:
    def make(place: Place) -> Reply:
        fields = headers or (("Content-Type", "application/json"),)
        return Reply(200, [*fields], change(json.dumps(place.right).encode()))

    return make


def _typed(content_type: str) -> Body:
    return Body(_right(lambda body: body, ("Content-Type", content_type)), _always(Meaning.SURE))


def _fixed(value: Any, is_data: bool = False) -> Body:
    return Body(lambda place: _json(value), _always(Meaning.UNREADABLE), is_data)


def _raw(body: bytes | str, content_type: str) -> Body:
    return Body(lambda place: _text(body, content_type), _always(Meaning.UNREADABLE), is_data=True)


def _changed(change: Callable[[bytes], bytes], meaning: Meaning, *headers: tuple[str, str]) -> Body:
    return Body(_right(change, *headers), _always(meaning), is_data=True)


def _paged(place: Place) -> Reply:
    return _json(page(place.items[:1], place.other("rest")))


def _one_item(point: Point) -> Meaning:
    return Meaning.WHOLE if len(point.behind) == 1 else Meaning.PART


def _no_records(point: Point) -> Meaning:
    return Meaning.EMPTY if point.member != "collections" else Meaning.UNREADABLE


def _of_items(change: Callable[[Json], Json], *known: str) -> Body:
    """The item itself, or the page of features, with each item written in another way."""

    def make(place: Place) -> Reply:
        body = place.right
        if place.point.member == "features" and "features" in body:
            return _json({**body, "features": [change(one) for one in body["features"]]})
        return _json(change(body) if body.get("type") == "Feature" else body)

    return Body(make, _sure_at("item", "items", "next", "search", *known))


def _without(*names: str) -> Callable[[Json], Json]:
    return lambda one: {name: value for name, value in one.items() if name not in names}


def _assets_as_list(one: Json) -> Json:
    return {**one, "assets": [{"key": key, **about} for key, about in one["assets"].items()]}


def _of_old_stac(one: Json) -> Json:
    links = {str(number): link for number, link in enumerate(one["links"])}
    return {**one, "stac_version": "0.5.0", "links": links}


_ONE_ANSWER: Json = {"type": "FeatureCollection", "links": []}
_NULL_AND_COUNT = {**_ONE_ANSWER, "features": None, "context": {"limit": 10, "matched": 0, "returned": 0}}
_HTML = "<!doctype html><html><body>Please sign in</body></html>"
_LISTS = ("items", "next", "search")

BODIES: dict[str, Body] = {
    "right": _typed("application/json"),
    "as-geojson": _typed("application/geo+json; charset=utf-8"),
    "as-html-type": _typed("text/html"),
    "as-plain-type": _typed("text/plain"),
    "as-octets": _typed("application/octet-stream"),
    "with-gzip": _changed(
        gzip.compress, Meaning.SURE, ("Content-Type", "application/json"), ("Content-Encoding", "gzip")
    ),
    "with-bom": _changed(lambda body: b"\xef\xbb\xbf" + body, Meaning.WHOLE),
    "huge": _changed(lambda body: body + b" " * 3_000_000, Meaning.SURE),
    "utf-16": _changed(lambda body: body.decode().encode("utf-16"), Meaning.WHOLE),
    "nan": _changed(lambda body: body[:-1] + b', "gsd": NaN}', Meaning.WHOLE),
    "double-comma": _changed(lambda body: body.replace(b", ", b",, ", 1), Meaning.WHOLE),
    # other STAC, from which all can be had
    "feature-collection": Body(lambda place: _json(page(place.items)), _sure_at("item", "child", *_LISTS)),
    "paged-items": Body(_paged, _sure_at("item", "child", *_LISTS)),
    "array-of-items": Body(lambda place: _json(place.items), _always(Meaning.WHOLE)),
    "catalog": Body(lambda place: _json(catalog(*place.item_links())), _sure_at("item", "child")),
    "collection": Body(
        lambda place: _json(stac_collection(place.collection, links=catalog(*place.item_links())["links"])),
        _sure_at("item", "child"),
    ),
    "landing": Body(lambda place: _json(landing(("data", place.other("collections")))), _sure_at("child")),
    "list-of-collections": Body(
        lambda place: _json(
            place.catalogue.others(place.point)[f"{place.catalogue.other_base(place.point)}/collections"]
        ),
        _sure_at("data"),
    ),
    "single-item": Body(lambda place: _json(place.items[0] if place.items else {}), _one_item),
    "assets-as-list": _of_items(_assets_as_list),
    "no-stac-version": _of_items(_without("stac_version")),
    "bare-item": _of_items(_without("type", "geometry", "bbox")),
    "no-type": _of_items(_without("type")),
    "type-Item": _of_items(lambda one: {**one, "type": "Item"}),
    "links-as-object": _of_items(lambda one: {**one, "links": {it["rel"]: it for it in one["links"]}}),
    "old-stac": _of_items(_of_old_stac),
    "items-as-ndjson": Body(
        lambda place: _text("".join(json.dumps(one) + "\n" for one in place.items), "application/x-ndjson"),
        _always(Meaning.WHOLE),
        is_data=True,
    ),
    # other STAC, in which nothing is
    "no-features": Body(lambda place: _json(page([])), _no_records),
    "null-and-count-0": Body(lambda place: _json(_NULL_AND_COUNT), _no_records),
    "empty-catalog": Body(lambda place: _json(catalog()), _always(Meaning.EMPTY)),
    "empty-collection": Body(lambda place: _json(stac_collection(place.collection)), _always(Meaning.EMPTY)),
    "no-collections": Body(
        lambda place: _json({"collections": [], "links": []}),
        lambda point: (
            Meaning.EMPTY if point.member == "collections" or point.rel == "SOURCE" else Meaning.UNREADABLE
        ),
    ),
    # JSON that is no STAC
    "message": _fixed({"message": "Internal server error"}),
    "error": _fixed({"error": {"code": 499, "message": "Token Required"}}),
    "detail": _fixed({"code": "NotFoundError", "detail": "no such item"}),
    "detail-with-id": _fixed({"id": "7f3a", "status": "failed", "detail": "try again later"}),
    "problem": _fixed({"type": "about:blank", "title": "Bad gateway", "status": 502}),
    "error-with-type": _fixed({"type": "error", "id": "e1", "links": []}),
    "features-null": _fixed({"features": None}),
    "null-features": _fixed({**_ONE_ANSWER, "features": None}),
    "features-missing": _fixed(_ONE_ANSWER),
    "features-object": _fixed({**_ONE_ANSWER, "features": {"message": "no"}}),
    "features-of-errors": _fixed({**_ONE_ANSWER, "features": [{"message": "no"}, None, 3]}, is_data=True),
    "collections-null": _fixed({"collections": None}),
    "geometry": _fixed({"type": "Polygon", "coordinates": []}),
    "feature-of-no-stac": _fixed({"type": "Feature", "geometry": None, "properties": {}}),
    "object": _fixed({}),
    "array": _fixed([]),
    "array-of-numbers": _fixed([1, 2]),
    "null": _fixed(None, is_data=True),
    "true": _fixed(True, is_data=True),
    "string": _fixed("service unavailable", is_data=True),
    "number": _fixed(42, is_data=True),
    # no JSON
    "html": _raw(_HTML, "text/html"),
    "html-as-json": _raw(_HTML, "application/json"),
    "csv": _raw("id,href\ni,x\n", "text/csv"),
    "xml": _raw("<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>", "application/xml"),
    "parquet": _raw(b"PAR1" + noise(200) + b"PAR1", "application/vnd.apache.parquet"),
    "ndjson": _raw('{"a": 1}\n{"a": 2}\n', "application/x-ndjson"),
    "plain": _raw("service unavailable", "text/plain"),
    "bytes": _raw(noise(300), "application/octet-stream"),
    "empty": _raw(b"", "application/json"),
    "spaces": _raw(b" \n ", "application/json"),
    "truncated": _changed(lambda body: body[: len(body) // 2], Meaning.UNREADABLE),
    "no-gzip": _changed(
        lambda body: body,
        Meaning.UNREADABLE,
        ("Content-Type", "application/json"),
        ("Content-Encoding", "gzip"),
    ),
    "cut-gzip": _changed(
        lambda body: gzip.compress(body, mtime=0)[:-9],
        Meaning.UNREADABLE,
        ("Content-Type", "application/json"),
        ("Content-Encoding", "gzip"),
    ),
    "cut-on-the-way": Body(lambda place: _cut(_right()(place)), _always(Meaning.DAMAGED), is_data=True),
}


def _cut(reply: Reply) -> Reply:
    reply.cut, reply.ending = len(reply.body) // 2, "drop"
    return reply


@dataclass(frozen=True)
class StatusKind:
    """One kind of status line. `means` is that of the answer whatever its body, None: the body decides."""

    status: int
    means: Means | None = None
    location: str = ""
    """where it redirects to: the suffix of a path at which the body is, or "loop" """


def _empty_page(point: Point) -> Meaning:
    return Meaning.EMPTY if point.member else Meaning.UNREADABLE


STATUSES: dict[str, StatusKind] = {
    "200": StatusKind(200),
    "206": StatusKind(206),
    "301": StatusKind(301, location=".moved"),
    "308": StatusKind(308, location=".moved"),
    "302-loop": StatusKind(302, _always(Meaning.UNREADABLE), "loop"),
    "202": StatusKind(202, _always(Meaning.DAMAGED)),
    "204": StatusKind(204, _empty_page),
    **{
        str(status): StatusKind(status, _always(Meaning.UNREADABLE))
        for status in (400, 401, 403, 404, 410, 418, 501)
    },
    **{
        str(status): StatusKind(status, _always(Meaning.DAMAGED)) for status in (408, 429, 500, 502, 503, 504)
    },
}
BODIES_OF_REFUSALS = ("right", "message", "no-features", "html", "empty", "not-found-features")
"""Bodies that are tried with statuses other than 200."""
BODIES["not-found-features"] = _fixed({"code": "NotFoundError", "description": "No features found"})
PLAIN_BODIES = ("right", "as-geojson", "as-html-type", "as-plain-type", "as-octets", "with-gzip", "huge")
"""Bodies that are the right document and nothing else."""
TWINS: dict[str, tuple[str | None, Body]] = {
    "html": ("text/html", BODIES["html"]),
    "csv": ("text/csv", BODIES["csv"]),
    "parquet": ("application/vnd.apache.parquet", BODIES["parquet"]),
    "ndjson": ("application/x-ndjson", BODIES["ndjson"]),
    "opensearch": ("application/opensearchdescription+xml", BODIES["xml"]),
    "geopackage": ("application/geopackage+sqlite3", BODIES["bytes"]),
    "untyped-html": (None, BODIES["html"]),
}
"""Links of the same relation beside the right one: their media type, and what is there."""
