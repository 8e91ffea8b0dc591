"""A small object store with the interface of S3, over real sockets, with faults that are asked for.

    with S3Server() as s3:
        s3.fault("PUT", "data.tif", "slow-down")
        mirror(items, f"s3://bucket/prefix", endpoint_url=s3.url)

It refuses bodies that are not as their digests say, and knows conditional writes, as the documentation of S3
has it: https://docs.aws.amazon.com/AmazonS3/latest/API/Welcome.html (read 2026-11).
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, quote_plus, unquote, urlsplit
from xml.sax.saxutils import escape

SLOW_SECONDS = 1.5
MIN_PART_BYTES = 5 << 20
RECENTLY = "Mon, 06 May 2024 07:08:09 GMT"
DATE = "2024-05-06T07:08:09.000Z"


@dataclass
class Stored:
    """One object, and its metadata by the names of the fields."""

    body: bytes
    etag: str
    fields: dict[str, str] = field(default_factory=dict)


@dataclass
class Upload:
    key: str
    fields: dict[str, str]
    parts: dict[int, bytes] = field(default_factory=dict)


@dataclass
class Fault:
    """`what` happens to the next `times` requests of this method whose target has this text in it."""

    method: str
    text: str
    what: str
    times: int


class S3Server:
    """`objects` are those of the one bucket, by key; `requests` what was asked for: method and target.

    Faults: "slow-down" (503), "lost" (done, but the connection ends before the answer), "cut" (the
    connection is reset in the middle of the body), "wrong-sum" (the answer names another digest),
    "slow" (it takes `SLOW_SECONDS` to take the body), "late-error" (200 with an error in its
    body), "denied" (403), "unsupported" (501).
    """

    def __init__(self, *, conditions: bool = True, bucket: str = "bucket") -> None:
        self.objects: dict[str, Stored] = {}
        self.uploads: dict[str, Upload] = {}
        self.requests: list[tuple[str, str]] = []
        self.bucket, self.conditions = bucket, conditions
        self.page_size = 1000
        self.faults: list[Fault] = []
        self.before: dict[tuple[str, str], Callable[[], None]] = {}
        """what happens before a request of this method whose target has this text in it"""
        self.lock = threading.RLock()
        self.ids = itertools.count(1)

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"s3": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def fault(self, method: str, text: str, what: str, times: int = 1) -> None:
        self.faults.append(Fault(method, text, what, times))

    def next_fault(self, method: str, target: str) -> str:
        with self.lock:
            self.requests.append((method, target))
            for one in self.faults:
                if one.times and one.method == method and one.text in target:
                    one.times -= 1
                    return one.what
        return ""

    def count(self, method: str, text: str = "") -> int:
        return sum(method == one and text in target for one, target in self.requests)

    def files(self, prefix: str = "") -> dict[str, bytes]:
        """The objects below a prefix that are no documents, by path."""
        return {
            key.removeprefix(prefix): stored.body
            for key, stored in sorted(self.objects.items())
            if key.startswith(prefix) and not key.endswith((".json", ".jsonl")) and "/.mlhub/" not in key
        }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    s3: S3Server
    timeout = 30

    def log_message(self, *_: Any) -> None:
        """Nothing is printed."""

    def do_GET(self) -> None:
        self._serve()

    do_PUT = do_POST = do_DELETE = do_HEAD = do_GET

    def _serve(self) -> None:
        self._fault = self.s3.next_fault(self.command, self.path)
        length = int(self.headers.get("content-length", 0))
        if self._fault == "cut":
            self.rfile.read(length // 2)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
            return
        self._body = self.rfile.read(length)
        if self._fault == "slow":
            time.sleep(SLOW_SECONDS)
        if self._fault in ("slow-down", "denied", "unsupported"):
            status, code = {
                "slow-down": (503, "SlowDown"),
                "denied": (403, "AccessDenied"),
                "unsupported": (501, "NotImplemented"),
            }[self._fault]
            self._answer(status, _error(code))
            return
        with self.s3.lock:
            for (method, text), act in list(self.s3.before.items()):
                if method == self.command and text in self.path:
                    act()
            self._do()

    def _do(self) -> None:
        where = urlsplit(self.path)
        bucket, _, key = unquote(where.path)[1:].partition("/")
        query = {name: one[0] for name, one in parse_qs(where.query, keep_blank_values=True).items()}
        if bucket != self.s3.bucket:
            self._answer(404, _error("NoSuchBucket"))
            return
        name = {
            ("GET", False): "_list",
            ("GET", True): "_list_parts" if "uploadId" in query else "_read",
            ("HEAD", True): "_read",
            ("PUT", True): "_put_part" if "uploadId" in query else "_put",
            ("POST", True): "_begin" if "uploads" in query else "_complete",
            ("DELETE", True): "_remove",
        }[self.command, bool(key)]
        if not self._sums_fit():
            self._answer(400, _error("BadDigest"))
            return
        getattr(self, "_list_uploads" if name == "_list" and "uploads" in query else name)(key, query)

    def _sums_fit(self) -> bool:
        digests = {
            "content-md5": base64.b64encode(hashlib.md5(self._body).digest()).decode(),
            "x-amz-checksum-sha256": base64.b64encode(hashlib.sha256(self._body).digest()).decode(),
            "x-amz-content-sha256": hashlib.sha256(self._body).hexdigest(),
        }
        return all(self.headers.get(name, said) == said for name, said in digests.items())

    def _met(self, key: str) -> bool:
        there = self.s3.objects.get(key)
        none_match, match = self.headers.get("if-none-match"), self.headers.get("if-match")
        if not self.s3.conditions:
            return True
        if none_match == "*" and there is not None:
            return False
        return match is None or (there is not None and match.strip('"') == there.etag)

    def _list(self, _: str, query: dict[str, str]) -> None:
        keys = [key for key in sorted(self.s3.objects) if key.startswith(query.get("prefix", ""))]
        keys = [key for key in keys if key > query.get("continuation-token", "")]
        page = keys[: self.s3.page_size]
        rows = "".join(
            f"<Contents><Key>{quote_plus(key, safe='/')}</Key><LastModified>{DATE}</LastModified>"
            f"<ETag>&quot;{self.s3.objects[key].etag}&quot;</ETag><Size>{len(self.s3.objects[key].body)}</Size>"
            "</Contents>"
            for key in page
        )
        more = len(page) < len(keys)
        token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
        cut = str(more).lower()
        self._answer(
            200,
            f"<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>{cut}</IsTruncated>{rows}{token}"
            "</ListBucketResult>",
        )

    def _list_uploads(self, _: str, query: dict[str, str]) -> None:
        rows = "".join(
            f"<Upload><Key>{quote_plus(one.key, safe='/')}</Key><UploadId>{id}</UploadId></Upload>"
            for id, one in self.s3.uploads.items()
            if one.key.startswith(query.get("prefix", ""))
        )
        self._answer(
            200,
            "<ListMultipartUploadsResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>"
            f"{rows}</ListMultipartUploadsResult>",
        )

    def _list_parts(self, _: str, query: dict[str, str]) -> None:
        if (upload := self.s3.uploads.get(query["uploadId"])) is None:
            self._answer(404, _error("NoSuchUpload"))
            return
        rows = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>&quot;{hashlib.md5(body).hexdigest()}&quot;</ETag>"
            f"<Size>{len(body)}</Size></Part>"
            for number, body in sorted(upload.parts.items())
        )
        self._answer(200, f"<ListPartsResult><IsTruncated>false</IsTruncated>{rows}</ListPartsResult>")

    def _read(self, key: str, _: dict[str, str]) -> None:
        stored = self.s3.objects.get(key)
        if stored is None:
            self._answer(404, _error("NoSuchKey"))
            return
        if not self._met(key):
            self._answer(412, _error("PreconditionFailed"))
            return
        fields, body, status = (
            {"ETag": f'"{stored.etag}"', "Last-Modified": RECENTLY, **stored.fields},
            stored.body,
            200,
        )
        if found := re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("range", "")):
            first, last = int(found[1]), min(int(found[2]), len(body) - 1)
            fields["Content-Range"], status = f"bytes {first}-{last}/{len(body)}", 206
            body = body[first : last + 1]
        self._answer(status, body, fields)

    def _put(self, key: str, _: dict[str, str]) -> None:
        if source := self.headers.get("x-amz-copy-source"):
            found = self.s3.objects.get(unquote(source).removeprefix(f"/{self.s3.bucket}/"))
            if found is None:
                self._answer(404, _error("NoSuchKey"))
                return
            self.s3.objects[key] = Stored(found.body, found.etag, dict(found.fields))
            self._answer(200, f"<CopyObjectResult><ETag>&quot;{found.etag}&quot;</ETag></CopyObjectResult>")
            return
        if not self._met(key):
            self._answer(412, _error("PreconditionFailed"))
            return
        etag = hashlib.md5(self._body).hexdigest()
        self.s3.objects[key] = Stored(self._body, etag, self._metadata())
        self._answer(200, "", {"ETag": f'"{etag}"'})

    def _metadata(self) -> dict[str, str]:
        return {name: value for name, value in self.headers.items() if name.lower().startswith("x-amz-meta-")}

    def _begin(self, key: str, _: dict[str, str]) -> None:
        id = f"upload-{next(self.s3.ids)}"
        self.s3.uploads[id] = Upload(key, self._metadata())
        self._answer(
            200, f"<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
        )

    def _put_part(self, _: str, query: dict[str, str]) -> None:
        if (upload := self.s3.uploads.get(query["uploadId"])) is None:
            self._answer(404, _error("NoSuchUpload"))
            return
        upload.parts[int(query["partNumber"])] = self._body
        self._answer(200, "", {"ETag": f'"{hashlib.md5(self._body).hexdigest()}"'})

    def _complete(self, key: str, query: dict[str, str]) -> None:
        if (upload := self.s3.uploads.get(query["uploadId"])) is None:
            self._answer(404, _error("NoSuchUpload"))
            return
        if self._fault == "late-error":
            self._answer(200, _error("InternalError"))
            return
        if not self._met(key):
            self._answer(412, _error("PreconditionFailed"))
            return
        named = re.findall(
            r"<PartNumber>(\d+)</PartNumber><ETag>&quot;([0-9a-f]{32})&quot;</ETag>", self._body.decode()
        )
        bodies = [upload.parts.get(int(number), b"") for number, _ in named]
        fits = all(
            hashlib.md5(body).hexdigest() == etag for body, (_, etag) in zip(bodies, named, strict=True)
        )
        if not named or not fits or any(len(body) < MIN_PART_BYTES for body in bodies[:-1]):
            self._answer(400, _error("InvalidPart"))
            return
        del self.s3.uploads[query["uploadId"]]
        digest = hashlib.md5(b"".join(bytes.fromhex(etag) for _, etag in named)).hexdigest()
        etag = f"{digest}-{len(named)}"
        self.s3.objects[key] = Stored(b"".join(bodies), etag, upload.fields)
        self._answer(
            200,
            f"<CompleteMultipartUploadResult><ETag>&quot;{etag}&quot;</ETag></CompleteMultipartUploadResult>",
        )

    def _remove(self, key: str, query: dict[str, str]) -> None:
        if "uploadId" in query:
            self.s3.uploads.pop(query["uploadId"], None)
        else:
            self.s3.objects.pop(key, None)
        self._answer(204, "")

    def _answer(self, status: int, body: str | bytes, fields: dict[str, str] | None = None) -> None:
        if self._fault == "lost":
            self.close_connection = True
            return
        data = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        for name, value in (fields or {}).items():
            self.send_header(name, value)
        if self._fault == "wrong-sum":
            self.send_header("x-amz-checksum-sha256", base64.b64encode(bytes(32)).decode())
        if status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


def _error(code: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code></Error>'
