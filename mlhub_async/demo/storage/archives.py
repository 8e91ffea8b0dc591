"""The labels of the sample as archives, a ZIP and a tar.gz, made when they are first asked for."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from functools import lru_cache

from aiohttp import web

from ..sample import Sample
from .listings import about_data_set, hub_file, hub_routes, object_paths
from .objects import StoredObject, find_object, respond

ARCHIVE_SET = "demo/labels-zip"
"""A data set of the hub that holds the ZIP only."""
LABELS_ZIP, LABELS_TAR = "/archives/labels.zip", "/archives/labels.tar.gz"
_FOLDER = "landcovernet/labels/"
_TOP = "labels/"
_WHEN = (2020, 12, 2, 3, 41, 48)
_SECONDS = 1_606_880_508
"""The same time, as tar has it."""


class Archives:
    """The request handlers."""

    def __init__(self, content: Sample) -> None:
        self._content = content

    def routes(self) -> list[web.RouteDef]:
        served = [web.get(path, self.serve) for path in (LABELS_ZIP, LABELS_TAR)]
        return [*served, *hub_routes(ARCHIVE_SET, self.revision, self.tree, self.resolve)]

    async def serve(self, request: web.Request) -> web.Response:
        return respond(_archive(self._content, request.path == LABELS_ZIP), request.headers)

    async def revision(self, request: web.Request) -> web.Response:
        return about_data_set(ARCHIVE_SET, request)

    async def tree(self, request: web.Request) -> web.Response:
        return web.json_response([hub_file("labels.zip", _archive(self._content, True))])

    async def resolve(self, request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": LABELS_ZIP})


@lru_cache(maxsize=2)
def _archive(content: Sample, is_zip: bool) -> StoredObject:
    files = {path: find_object(content, path) for path in object_paths(content) if path.startswith(_FOLDER)}
    bodies = {_TOP + path.removeprefix(_FOLDER): one.body for path, one in files.items() if one is not None}
    body = _zip(bodies) if is_zip else _tar(bodies)
    media_type = "application/zip" if is_zip else "application/x-tar"
    return StoredObject(body, media_type, hashlib.md5(body, usedforsecurity=False).digest())


def _zip(bodies: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, body in bodies.items():
            archive.writestr(zipfile.ZipInfo(name, _WHEN), body, zipfile.ZIP_DEFLATED)
    return target.getvalue()


def _tar(bodies: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for name, body in bodies.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(body), _SECONDS
            archive.addfile(member, io.BytesIO(body))
    return target.getvalue()
