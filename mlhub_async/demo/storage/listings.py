"""Lists the objects of the sample as S3 does (ListObjectsV2), and as a Hugging Face hub does."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Iterator
from functools import lru_cache
from urllib.parse import quote_plus
from xml.sax.saxutils import escape

from aiohttp import web

from .. import imagery
from ..config import Site
from ..sample import ItemKey, Sample
from .objects import BASE, DOCUMENTATION_PATH, StoredObject, find_object, path_of

BUCKET = BASE.strip("/")
DATA_SET = "demo/landcovernet"
COMMIT = hashlib.sha1(b"the sample", usedforsecurity=False).hexdigest()
PAGE_OBJECTS = 1000
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_MODIFIED = "2020-12-02T03:41:49.000Z"


class Listings:
    """The request handlers. Objects are made for their sizes, one page at a time."""

    def __init__(self, content: Sample, site: Site) -> None:
        self._content = content
        self._site = site

    def routes(self) -> list[web.RouteDef]:
        bucket = web.get(f"/{BUCKET}", self.bucket, name="bucket")
        return [bucket, *hub_routes(DATA_SET, self.revision, self.tree, self.resolve)]

    async def bucket(self, request: web.Request) -> web.Response:
        query = request.query
        paths, is_last = self._page(query.get("prefix", ""), query.get("continuation-token", ""))
        more = "" if is_last else f"<NextContinuationToken>{escape(paths[-1])}</NextContinuationToken>"
        text = (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{BUCKET}</Name><EncodingType>url</EncodingType><IsTruncated>{str(not is_last).lower()}"
            f"</IsTruncated>{''.join(map(self._row, paths))}{more}</ListBucketResult>"
        )
        return web.Response(text=text, content_type="application/xml")

    def _row(self, path: str) -> str:
        found = find_object(self._content, path)
        assert found is not None, "every listed object can be made"
        return (
            f"<Contents><Key>{quote_plus(path, safe='/')}</Key><LastModified>{_MODIFIED}</LastModified>"
            f"<ETag>&quot;{found.md5.hex()}&quot;</ETag><Size>{len(found.body)}</Size>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
        )

    async def revision(self, request: web.Request) -> web.Response:
        return about_data_set(DATA_SET, request)

    async def tree(self, request: web.Request) -> web.Response:
        paths, is_last = self._page("", request.query.get("cursor", ""))
        answer = web.json_response([self._file(path) for path in paths])
        if not is_last:
            following = self._site.storage + str(request.rel_url.update_query(cursor=paths[-1]))
            answer.headers["Link"] = f'<{following}>; rel="next"'
        return answer

    def _file(self, path: str) -> dict[str, object]:
        found = find_object(self._content, path)
        assert found is not None, "every listed object can be made"
        return hub_file(path, found)

    async def resolve(self, request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": BASE + request.match_info["path"]})

    def _page(self, prefix: str, after: str) -> tuple[list[str], bool]:
        """The paths of a page, and whether it is the last one."""
        paths = [path for path in object_paths(self._content) if path.startswith(prefix)]
        begin = bisect_right(paths, after)
        return paths[begin : begin + PAGE_OBJECTS], begin + PAGE_OBJECTS >= len(paths)


def hub_routes(data_set: str, revision: _Handler, tree: _Handler, resolve: _Handler) -> list[web.RouteDef]:
    """The routes of one data set of a hub."""
    api, slug = f"/api/datasets/{data_set}", data_set.replace("/", "_").replace("-", "_")
    return [
        web.get(f"{api}/revision/{{revision}}", revision, name=f"revision:{slug}"),
        web.get(f"{api}/tree/{COMMIT}", tree, name=f"tree:{slug}"),
        web.get(f"/datasets/{data_set}/resolve/{COMMIT}/{{path:.+}}", resolve, name=f"resolve:{slug}"),
    ]


def about_data_set(data_set: str, request: web.Request) -> web.Response:
    """The answer to the question which commit a revision of a data set is."""
    if request.match_info["revision"] not in ("main", COMMIT):
        return web.json_response({"error": "Invalid rev id"}, status=404)
    about = {"id": data_set, "sha": COMMIT, "private": False, "gated": False}
    return web.json_response({**about, "lastModified": _MODIFIED})


def hub_file(path: str, found: StoredObject) -> dict[str, object]:
    """A row of the tree of a data set."""
    lfs = {"oid": hashlib.sha256(found.body).hexdigest(), "size": len(found.body), "pointerSize": 134}
    return {"type": "file", "oid": COMMIT, "size": len(found.body), "path": path, "lfs": lfs}


@lru_cache(maxsize=4)
def object_paths(content: Sample) -> list[str]:
    """The paths of all objects below `BASE`, in order."""
    return sorted({DOCUMENTATION_PATH, *_paths(content)})


def _paths(content: Sample) -> Iterator[str]:
    for chip in range(content.chips):
        for asset in ("labels", "dates"):
            yield path_of(ItemKey(chip, -1), asset, "")
        for date in range(content.dates):
            stamp = content.date_stamp(date)
            for band in imagery.KEYS:
                yield path_of(ItemKey(chip, date), band, stamp)
