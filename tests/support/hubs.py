"""Data hubs on a scripted site, with the forms of their documentation (read 2026-11):

https://huggingface.co/docs/hub/api and its OpenAPI document, https://developers.zenodo.org,
https://docs.figshare.com, https://guides.dataverse.org/en/latest/api/native-api.html.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, quote, unquote

from mlhub_async.core.urls import quoted_key
from support.server import Site
from support.wire_format import Reply, Seen

COMMIT = "0123456789abcdef0123456789abcdef01234567"
JSON = [("Content-Type", "application/json")]
LARGE = 1000


def md5(body: bytes) -> str:
    return hashlib.md5(body).hexdigest()


def answer(body: Any, *headers: tuple[str, str]) -> Reply:
    return Reply(200, [*JSON, *headers], json.dumps(body).encode())


class Hub:
    """A data set: files of `LARGE` bytes and more are at a CDN, by URLs that change with every request.

    `link_root` is what begins the links in its answers.
    """

    def __init__(
        self,
        site: Site,
        cdn: Site,
        name: str,
        files: Mapping[str, bytes],
        *,
        token: str = "",
        gated: object = False,
        page_size: int = 1000,
        commit: str = COMMIT,
    ) -> None:
        self.site, self.cdn, self.name, self.token, self.gated = site, cdn, name, token, gated
        self.page_size, self.commit, self.files, self.signed = page_size, commit, dict(files), 0
        self.publish()

    def publish(self, revision: str = "main", below: str = "") -> None:
        """Answer requests of this revision, below the path of a proxy of the hub."""
        self.root, self.link_root = below, self.site.url(below)
        api = f"{below}/api/datasets/{self.name}"
        self.site.route(f"{api}/revision/{quote(revision, safe='')}", self.revision)
        self.site.route(f"{api}/tree/{self.commit}", self.tree)
        for folder in {path.rpartition("/")[0] for path in self.files} - {""}:
            self.site.route(f"{api}/tree/{self.commit}/{quote(folder, safe='')}", self.tree)
        for path in self.files:
            url = f"{below}/datasets/{self.name}/resolve/{self.commit}/{quoted_key(path)}"
            self.site.route(url, self.resolve)

    def _refused(self, seen: Seen) -> bool:
        return bool(self.token) and seen.headers.get("authorization") != f"Bearer {self.token}"

    def revision(self, seen: Seen) -> Reply:
        if self.token and not self.gated and self._refused(seen):
            return Reply(401, [*JSON, ("X-Error-Code", "RepoNotFound")], b'{"error":"Repository not found"}')
        card = {"license": "cc-by-4.0", "pretty_name": "A set"}
        about = {"id": self.name, "sha": self.commit, "gated": self.gated, "private": False}
        return answer({**about, "lastModified": "2024-05-06T07:08:09.000Z", "cardData": card})

    def tree(self, seen: Seen) -> Reply:
        folder = unquote(seen.path.partition(f"/tree/{self.commit}")[2].strip("/"))
        begin = int(parse_qs(seen.query).get("cursor", ["0"])[0])
        paths = sorted((path for path in self.files if path.startswith(folder)), reverse=True)
        rows = [{"type": "directory", "oid": "0" * 40, "size": 0, "path": "train"}] if not begin else []
        rows += [self._row(path) for path in paths[begin : begin + self.page_size]]
        if begin + self.page_size >= len(paths):
            return answer(rows)
        url = (
            self.link_root
            + f"{seen.path.removeprefix(self.root)}?recursive=true&cursor={begin + self.page_size}"
        )
        return answer(rows, ("Link", f'<{url}>; rel="next"'))

    def _row(self, path: str) -> dict[str, Any]:
        body = self.files[path]
        git = hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()
        row: dict[str, Any] = {"type": "file", "oid": git, "size": len(body), "path": path}
        if len(body) >= LARGE:
            row["lfs"] = {"oid": hashlib.sha256(body).hexdigest(), "size": len(body), "pointerSize": 134}
        return row

    def resolve(self, seen: Seen) -> Reply:
        if self._refused(seen):
            return Reply(403, [*JSON, ("X-Error-Code", "GatedRepo")], b"{}")
        body = self.files[unquote(seen.path.partition(f"/resolve/{self.commit}/")[2])]
        if len(body) < LARGE:
            return Reply(200, [("ETag", f'"{md5(body)}"')], body)
        self.signed += 1
        path = f"/xet/{hashlib.sha256(body).hexdigest()}"
        self.cdn.put(path, body, etag=f'"{md5(body)}"')
        signature = f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=SIGNED{self.signed}&X-Amz-Expires=60"
        return Reply(302, [("Location", f"{self.cdn.url(path)}?{signature}")], b"")


def publish_record(site: Site, files: Mapping[str, bytes], number: str = "8475") -> str:
    """A record as Zenodo answers it; gives the URL of its page."""
    listed = [
        {
            "id": f"id-{key}",
            "key": key,
            "size": len(body),
            "checksum": f"md5:{md5(body)}",
            "links": {"self": site.put(f"/api/records/{number}/files/{quote(key)}/content", body)},
        }
        for key, body in files.items()
    ]
    metadata = {"title": "A record", "license": {"id": "cc-by-4.0"}, "access_right": "open"}
    body = {"id": int(number), "conceptrecid": "8474", "updated": "2024-05-06T07:08:09.000000+00:00"}
    site.json(f"/api/records/{number}", {**body, "metadata": metadata, "files": listed})
    return site.url(f"/records/{number}")


def publish_rdm_record(site: Site, files: Mapping[str, bytes], number: str = "abcde-fgh12") -> str:
    """A record as InvenioRDM answers it; gives the URL of its page."""
    root = f"/api/records/{number}"
    entries = [{"key": key, "size": len(b), "checksum": f"md5:{md5(b)}"} for key, b in files.items()]
    for key, body in files.items():
        site.put(f"{root}/files/{quoted_key(key)}/content", body)
    site.json(root, {"id": number, "metadata": {}, "access": {"files": "public"}, "files": {"count": 2}})
    site.json(f"{root}/files", {"enabled": True, "entries": entries})
    return site.url(f"/records/{number}")


def publish_article(
    site: Site, files: Mapping[str, bytes] | Sequence[tuple[str, bytes]], version: int = 0, first_id: int = 1
) -> str:
    """An article as figshare answers it, or one version of it; gives the URL of its API."""
    named = files.items() if isinstance(files, Mapping) else files
    path = f"/v2/articles/77/versions/{version}" if version else "/v2/articles/77"
    rows = [
        {"id": n, "name": name, "size": len(body), "computed_md5": md5(body), "is_link_only": False}
        | {"download_url": site.put(f"/ndownloader/files/{n}", body)}
        for n, (name, body) in enumerate(named, first_id)
    ]
    about = {"id": 77, "title": "An article", "license": {"name": "CC BY 4.0"}, "version": version or 3}
    site.json(path, about)
    site.json(f"{path}/files", rows)
    return site.url(path)


def publish_data_set(site: Site, files: Mapping[str, bytes], version: str = "", first_id: int = 1) -> str:
    """A data set as a Dataverse answers it, its tables converted; gives the URL of its page, or of
    that of one version, such as 2.1."""
    rows = []
    for number, (name, body) in enumerate(files.items(), first_id):
        folder, _, label = name.rpartition("/")
        about: dict[str, Any] = {"id": number, "filename": label, "filesize": len(body), "md5": md5(body)}
        if label.endswith(".csv"):
            about |= {"originalFileFormat": "text/csv", "originalFileName": label, "filesize": 9}
            about |= {"originalFileSize": len(body)}
            label = label.replace(".csv", ".tab")
        site.put(f"/api/access/datafile/{number}", body)
        rows.append({"label": label, "directoryLabel": folder, "restricted": False, "dataFile": about})
    major, _, minor = (version or "3.0").partition(".")
    found = {"files": rows, "lastUpdateTime": "2024-05-06T07:08:09Z", "license": {"name": "CC0 1.0"}}
    found |= {"versionNumber": int(major), "versionMinorNumber": int(minor)}
    root, page = "/api/datasets/:persistentId/", "/dataset.xhtml?persistentId=doi:10.5072/FK2/ABC"
    if version:
        site.json(f"{root}versions/{version}", {"status": "OK", "data": found})
        return site.url(f"{page}&version={version}")
    site.json(root, {"status": "OK", "data": {"latestVersion": found}})
    return site.url(page)
