"""The calls of Google Cloud Storage, by its JSON API. An upload is a resumable one, of parts in order.

An upload in parts by its other API, that of S3, knows no conditions. What stands for the version of an object
is the number of its generation.

https://cloud.google.com/storage/docs/json_api/v1, .../docs/performing-resumable-uploads (read 2026-11)
"""

from __future__ import annotations

import os
import re
import sys
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from ....core import http_date
from ....core.errors import TransferError, Transient
from ....core.json_text import dumps, parse_json
from ....core.model import Request
from ....core.ports import Answer, ListedObject, ObjectFacts, Sums, UnfinishedUpload, UploadPart, Whole
from ..media_types import media_type
from .answers import number, ranged
from .protocol import Call, Copied, CopyPart, ListedPage, PartsPage, Written

HOST = "https://storage.googleapis.com"
DIGEST_NAME = "mlhub-sha256"
"""The metadata of an object that holds its SHA-256 in hex."""
STEP_BYTES = 256 << 10
"""What the store has of an unfinished upload is a multiple of this."""
_LISTED = "items(name,size,generation),nextPageToken"
_FACTS = "size,generation,metadata,updated"
_received = re.compile(r"bytes=0-(\d+)").fullmatch


class GoogleApi:
    """See `StoreApi`."""

    part_bytes = 8 << 20
    is_sequential = needs_md5 = True
    max_copy_bytes = sys.maxsize
    copy_part: CopyPart | None = None

    def __init__(self, bucket: str, endpoint: str = "") -> None:
        self._bucket = quote(bucket, safe="")
        self._host = endpoint or HOST
        self._objects = f"/storage/v1/b/{self._bucket}/o"

    def page(self, prefix: str, token: str) -> Call[ListedPage]:
        query = f"prefix={quote(prefix, safe='')}&fields={quote(_LISTED, safe='')}"
        if token:
            query += f"&pageToken={quote(token, safe='')}"
        return Call(Request(f"{self._host}{self._objects}?{query}"), _read_page)

    def _url_of(self, key: str) -> str:
        return f"{self._host}{self._objects}/{quote(key, safe='')}"

    def facts(self, key: str) -> Call[ObjectFacts]:
        return Call(Request(f"{self._url_of(key)}?fields={quote(_FACTS, safe='')}"), _read_facts)

    def put(self, key: str, body: bytes, sums: Sums, replaces: str | None) -> Call[Written]:
        about = dumps({"name": key, **_about(key, sums.whole, sums.md5)})
        mark = os.urandom(16).hex().encode()
        heads = [b"application/json; charset=UTF-8", media_type(key).encode()]
        parts = zip(heads, (about, body), strict=True)
        pieces = [b"--%b\r\ncontent-type: %b\r\n\r\n%b\r\n" % (mark, head, data) for head, data in parts]
        data = b"".join([*pieces, b"--%b--\r\n" % mark])
        url = self._upload_url(f"uploadType=multipart{_condition(replaces)}")
        fields = {"content-type": f"multipart/related; boundary={mark.decode()}"}
        return Call(Request(url, "POST", fields, data), lambda answer: _read_written(answer, sums.md5))

    def _upload_url(self, query: str) -> str:
        return f"{self._host}/upload{self._objects}?{query}"

    def read(self, key: str, first: int, size: int, etag: str) -> Call[bytes]:
        url = f"{self._url_of(key)}?alt=media&ifGenerationMatch={etag}"

        def read(answer: Answer) -> bytes:
            if answer.fields.get("x-goog-generation", etag) != etag:
                changed = TransferError(f"{key}: another object is there by now", kind="changed")
                changed.unmet = True
                raise changed
            return answer.body

        return Call(Request(url, headers=ranged(first, size)), read)

    def remove(self, key: str) -> Request:
        return Request(self._url_of(key), "DELETE")

    def copy(self, source: str, facts: ObjectFacts, key: str, token: str) -> Call[Copied]:
        target = f"{self._objects}/{quote(key, safe='')}".removeprefix("/storage/v1")
        query = f"ifSourceGenerationMatch={facts.etag}"
        if token:
            query += f"&rewriteToken={quote(token, safe='')}"
        url = f"{self._url_of(source)}/rewriteTo{target}?{query}"
        return Call(Request(url, "POST", {"content-type": "application/json"}, b"{}"), _read_copied)

    def begin_upload(self, key: str, whole: Whole, replaces: str | None) -> Call[str]:
        query = f"uploadType=resumable&name={quote(key, safe='')}{_condition(replaces)}"
        fields = {
            "content-type": "application/json; charset=UTF-8",
            "x-upload-content-type": media_type(key),
            "x-upload-content-length": str(whole.size),
        }
        body = dumps(_about(key, whole.sha256, whole.md5))
        return Call(Request(self._upload_url(query), "POST", fields, body), _read_session)

    def _session_url(self, upload: UnfinishedUpload) -> str:
        query = f"uploadType=resumable&name={quote(upload.key, safe='')}"
        return self._upload_url(f"{query}&upload_id={quote(upload.id, safe='')}")

    def put_part(
        self, upload: UnfinishedUpload, number: int, first: int, body: bytes, sums: Sums, whole: Whole
    ) -> Call[Written]:
        """Bytes that were sent are never sent again before the store has said what it has of them."""
        span = f"{first}-{first + len(body) - 1}" if body else "*"
        fields = {"content-range": f"bytes {span}/{whole.size}"}
        request = Request(self._session_url(upload), "PUT", fields, body)
        return Call(request, lambda answer: _read_part(answer, whole), self._question(upload))

    def _question(self, upload: UnfinishedUpload) -> Request:
        return Request(self._session_url(upload), "PUT", {"content-range": "bytes */*"}, b"")

    def parts(self, upload: UnfinishedUpload, after: int) -> Call[PartsPage]:
        return Call(self._question(upload), _read_received)

    def complete_upload(
        self, upload: UnfinishedUpload, parts: Sequence[UploadPart], whole: Whole, replaces: str | None
    ) -> Call[str]:
        raise AssertionError("the last part completes an upload")

    def unfinished(self, prefix: str, token: str) -> None:
        return None

    def abort_upload(self, upload: UnfinishedUpload) -> Request:
        return Request(self._session_url(upload), "DELETE")


def _about(key: str, sha256: str, md5: bytes) -> dict[str, Any]:
    """The properties of an object. The store refuses bytes that have another MD5."""
    kind, digest = media_type(key), b64encode(md5).decode()
    return {"contentType": kind, "md5Hash": digest, "metadata": {DIGEST_NAME: sha256}}


def _condition(replaces: str | None) -> str:
    return "" if replaces is None else f"&ifGenerationMatch={replaces or 0}"


def _json(answer: Answer) -> dict[str, Any]:
    try:
        found = parse_json(answer.body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        words = "the object store sent no JSON object, or not the whole of it"
        raise Transient(words, kind="protocol", tries=3)
    return found


def _read_page(answer: Answer) -> ListedPage:
    found = _json(answer)
    listed = [_listed(one) for one in found.get("items") or ()]
    return ListedPage(listed, str(found.get("nextPageToken") or ""))


def _listed(one: Mapping[str, Any]) -> ListedObject:
    return ListedObject(str(one.get("name", "")), number(str(one.get("size", ""))), _generation(one))


def _generation(one: Mapping[str, Any]) -> str:
    return str(one.get("generation", ""))


def _read_facts(answer: Answer) -> ObjectFacts:
    found = _json(answer)
    metadata = found.get("metadata")
    digest = metadata.get(DIGEST_NAME, "") if isinstance(metadata, dict) else ""
    age = _age(answer.fields.get("date", ""), str(found.get("updated", "")))
    return ObjectFacts(number(str(found.get("size", ""))), _generation(found), str(digest), age)


def _age(now: str, then: str) -> float:
    try:
        found = http_date(now)
        return max((found - datetime.fromisoformat(then)).total_seconds(), 0.0) if found else -1.0
    except (ValueError, TypeError):
        return -1.0


def _read_written(answer: Answer, md5: bytes) -> Written:
    found = _json(answer)
    return Written(_generation(found), fits=found.get("md5Hash", "") in ("", b64encode(md5).decode()))


def _read_copied(answer: Answer) -> Copied:
    found = _json(answer)
    if found.get("done") is False and (token := str(found.get("rewriteToken") or "")):
        return Copied("", token)
    made = found.get("resource")
    return Copied(_generation(made) if isinstance(made, dict) else "")


def _read_session(answer: Answer) -> str:
    """The id of the upload. Its URL is that of the endpoint, wherever the answer says that it is."""
    query = parse_qsl(urlsplit(answer.fields.get("location", "")).query)
    found = next((value for name, value in query if name == "upload_id"), "")
    if not found:
        raise TransferError("the object store sent no id of an upload", kind="protocol")
    return found


def _read_part(answer: Answer, whole: Whole) -> Written:
    """What the store has by now, or the object, where that was the last part."""
    if not answer.incomplete:
        return _read_written(answer, whole.md5)._replace(size=whole.size)
    return Written("", size=_received_bytes(answer))


def _received_bytes(answer: Answer) -> int:
    found = _received(answer.fields.get("range", ""))
    return 0 if found is None else (int(found[1]) + 1) // STEP_BYTES * STEP_BYTES


def _read_received(answer: Answer) -> PartsPage:
    if not answer.incomplete:
        ended = TransferError("the upload has ended", kind="gone")
        ended.absent = True
        raise ended
    return PartsPage([UploadPart(1, _received_bytes(answer), "")])
