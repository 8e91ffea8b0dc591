"""A small object store with the JSON interface of Google Cloud Storage, over real sockets, with faults.

It refuses bodies that are not as their MD5 says, and knows conditions on generations and resumable uploads,
as its service does: https://cloud.google.com/storage/docs/json_api/v1 (read 2026-11).
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from support.object_server import RECENTLY, ObjectHandler, ObjectServer, Stored

STEP_BYTES = 256 << 10
DIGEST = "mlhub-sha256"
_ERRORS = {
    "slow-down": (503, "backendError"),
    "denied": (403, "forbidden"),
    "retained": (403, "retentionPolicyNotMet"),
    "unsupported": (501, "notImplemented"),
}


@dataclass
class Session:
    """One resumable upload: what is to become of it, and the bytes that have come."""

    key: str
    about: dict[str, Any]
    condition: str | None
    body: bytes = b""


class _Handler(ObjectHandler):
    store: GoogleServer

    def refusal(self, fault: str) -> tuple[int, str, dict[str, str]]:
        status, reason = _ERRORS[fault]
        return status, _error(status, reason), {}

    def operation(self, begun: bytes) -> tuple[str, str]:
        where = urlsplit(self.path)
        query = {name: one[0] for name, one in parse_qs(where.query).items()}
        key = unquote(where.path.partition("/o/")[2].partition("/")[0])
        if "upload_id" in query:
            return self._step(), query["name"]
        if "uploadType" in query:
            named = re.search(rb'"name":"([^"]*)"', begun)
            return ("begin", query["name"]) if named is None else ("put", named[1].decode())
        if "/rewriteTo/" in where.path:
            return "copy", unquote(where.path.rpartition("/o/")[2])
        read = "read" if query.get("alt") == "media" else "facts"
        return {"GET": read if key else "list", "DELETE": "remove"}[self.command], key

    def _step(self) -> str:
        if self.command == "DELETE":
            return "abort"
        span, _, whole = self.headers["content-range"].removeprefix("bytes ").partition("/")
        if span == "*":
            return "parts"
        return "complete" if int(span.partition("-")[2]) + 1 == int(whole) else "part"

    def _refuse(self, status: int, reason: str) -> None:
        self.answer(status, _error(status, reason))

    def do(self) -> None:
        where = urlsplit(self.path)
        query = {name: one[0] for name, one in parse_qs(where.query, keep_blank_values=True).items()}
        found = re.fullmatch(r"(/upload)?/storage/v1/b/([^/]+)/o(?:/([^/]+)(/rewriteTo/.*)?)?", where.path)
        assert found is not None, self.path
        if unquote(found[2]) != self.store.bucket:
            self._refuse(404, "notFound")
            return
        key = unquote(found[3] or "")
        if found[1]:
            self._upload(query)
        elif found[4]:
            self._copy(key, unquote(found[4].rpartition("/o/")[2]), query)
        else:
            names = {("GET", False): "_list", ("GET", True): "_read", ("DELETE", True): "_remove"}
            getattr(self, names[self.command, bool(key)])(key, query)

    def _met(self, key: str, condition: str | None) -> bool:
        """Whether the condition is met; if not, the request is refused."""
        there = self.store.objects.get(key)
        generation = there.etag if there is not None else "0"
        if condition is None or not self.store.conditions or condition == generation:
            return True
        self._refuse(412, "conditionNotMet")
        return False

    def _list(self, _: str, query: dict[str, str]) -> None:
        keys = [key for key in sorted(self.store.objects) if key.startswith(query.get("prefix", ""))]
        keys = [key for key in keys if key > query.get("pageToken", "")]
        page = keys[: self.store.page_size]
        more = {"nextPageToken": page[-1]} if len(page) < len(keys) else {}
        self._answer_json({"items": list(map(self._resource, page)), **more})

    def _resource(self, key: str) -> dict[str, Any]:
        stored = self.store.objects[key]
        metadata = {DIGEST: stored.fields[DIGEST]} if DIGEST in stored.fields else {}
        return {
            "name": key,
            "size": str(len(stored.body)),
            "generation": stored.etag,
            "md5Hash": _md5(b"" if self.fault == "wrong-sum" else stored.body),
            "metadata": metadata,
            "updated": parsedate_to_datetime(stored.fields.get("Last-Modified", RECENTLY)).isoformat(),
        }

    def _answer_json(self, found: dict[str, Any], fields: dict[str, str] | None = None) -> None:
        self.answer(200, json.dumps(found), fields)

    def _read(self, key: str, query: dict[str, str]) -> None:
        stored = self.store.objects.get(key)
        if stored is None:
            self._refuse(404, "notFound")
        elif not self._met(key, query.get("ifGenerationMatch")):
            return
        elif query.get("alt") != "media":
            self._answer_json(self._resource(key))
        else:
            fields, body, status = {"x-goog-generation": stored.etag}, stored.body, 200
            if found := re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("range", "")):
                first, last = int(found[1]), min(int(found[2]), len(body) - 1)
                fields["Content-Range"], status = f"bytes {first}-{last}/{len(body)}", 206
                body = body[first : last + 1]
            self.answer(status, body, fields)

    def _copy(self, source: str, key: str, query: dict[str, str]) -> None:
        found = self.store.objects.get(source)
        if found is None:
            self._refuse(404, "notFound")
        elif not self._met(source, query.get("ifSourceGenerationMatch")):
            return
        elif "rewriteToken" not in query:
            self._answer_json({"done": False, "rewriteToken": "more"})
        else:
            self._write(key, found.body, dict(found.fields))
            self._answer_json({"done": True, "resource": self._resource(key)})

    def _write(self, key: str, body: bytes, fields: dict[str, str]) -> None:
        generation = str(1_700_000_000_000_000 + next(self.store.ids))
        self.store.objects[key] = Stored(body, generation, fields)

    def _remove(self, key: str, _: dict[str, str]) -> None:
        if self.store.objects.pop(key, None) is None:
            self._refuse(404, "notFound")
        else:
            self.answer(204)

    def _upload(self, query: dict[str, str]) -> None:
        if "upload_id" in query:
            self._go_on(query["upload_id"])
        elif query["uploadType"] == "resumable":
            self._begin(query)
        else:
            mark = self.headers["content-type"].partition("boundary=")[2].encode()
            _, first, second, _ = self.body.split(b"--" + mark)
            about = json.loads(first.partition(b"\r\n\r\n")[2])
            body = second.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")
            self._make(about["name"], about, body, query.get("ifGenerationMatch"))

    def _make(self, key: str, about: dict[str, Any], body: bytes, condition: str | None) -> bool:
        if about.get("md5Hash", _md5(body)) != _md5(body):
            self._refuse(400, "invalid")
            return False
        if not self._met(key, condition):
            return False
        self._write(key, body, dict(about.get("metadata", {})))
        self._answer_json(self._resource(key))
        return True

    def _begin(self, query: dict[str, str]) -> None:
        condition = query.get("ifGenerationMatch")
        if not self._met(query["name"], condition):
            return
        id = f"upload-{next(self.store.ids)}"
        self.store.uploads[id] = Session(query["name"], json.loads(self.body), condition)
        place = f"uploadType=resumable&name={quote(query['name'], safe='')}&upload_id={id}"
        self.answer(200, "", {"Location": f"https://elsewhere.test/upload/o?{place}"})

    def _go_on(self, id: str) -> None:
        session = self.store.uploads.get(id)
        if session is None:
            self._refuse(404, "notFound")
        elif self.command == "DELETE":
            del self.store.uploads[id]
            self.answer(499)
        else:
            self._take(id, session, self.headers["content-range"])

    def _take(self, id: str, session: Session, span: str) -> None:
        """Bytes that have come already are ignored, as are those behind the last whole step."""
        found = re.fullmatch(r"bytes (?:\*|(\d+)-(\d+))/(?:\*|(\d+))", span)
        assert found is not None, span
        first, whole = int(found[1] or len(session.body)), int(found[3] or -1)
        assert first <= len(session.body), f"{span} leaves bytes out behind {len(session.body)}"
        body = session.body + self.body[len(session.body) - first :]
        if self.fault == "untaken":
            body = session.body
        if len(body) == whole:
            if self._make(session.key, session.about, body, session.condition) or self.fault != "lost":
                self.store.uploads.pop(id, None)
            return
        session.body = body[: len(body) // STEP_BYTES * STEP_BYTES]
        fields = {"Range": f"bytes=0-{len(session.body) - 1}"} if session.body else {}
        self.answer(308, "", fields)


class GoogleServer(ObjectServer):
    """See `ObjectServer`. `uploads` are sessions by id."""

    handler = _Handler
    digest_field = DIGEST

    @property
    def dest(self) -> str:
        return f"gs://{self.bucket}"


def _md5(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body).digest()).decode()


def _error(status: int, reason: str) -> str:
    return json.dumps({"error": {"code": status, "errors": [{"domain": "global", "reason": reason}]}})
