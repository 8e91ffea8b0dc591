"""A small object store with the interface of S3, over real sockets, with faults that are asked for.

    with S3Server() as s3:
        s3.fault("put", "data.tif", "slow-down")
        mirror(items, f"s3://bucket/prefix", endpoint_url=s3.url)

It refuses bodies that are not as their digests say, and knows conditional writes, as the documentation of S3
has it: https://docs.aws.amazon.com/AmazonS3/latest/API/Welcome.html (read 2026-11).
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field
from urllib.parse import parse_qs, quote_plus, unquote, urlsplit
from xml.sax.saxutils import escape

from support.object_server import RECENTLY, ObjectHandler, ObjectServer, Stored

MIN_PART_BYTES = 5 << 20
DATE = "2024-05-06T07:08:09.000Z"


@dataclass
class Upload:
    key: str
    fields: dict[str, str]
    parts: dict[int, bytes] = field(default_factory=dict)


class _Handler(ObjectHandler):
    store: S3Server

    def refusal(self, fault: str) -> tuple[int, str, dict[str, str]]:
        status, code = {
            "slow-down": (503, "SlowDown"),
            "denied": (403, "AccessDenied"),
            "retained": (403, "AccessDenied"),
            "unsupported": (501, "NotImplemented"),
        }[fault]
        return status, _error(code), {}

    def operation(self, begun: bytes) -> tuple[str, str]:
        where = urlsplit(self.path)
        key, query = unquote(where.path)[1:].partition("/")[2], parse_qs(where.query, keep_blank_values=True)
        in_upload = "uploadId" in query
        found = {
            "GET": ("parts" if in_upload else "read") if key else "list",
            "HEAD": "facts",
            "PUT": "part" if in_upload else "copy" if self.headers.get("x-amz-copy-source") else "put",
            "POST": "complete" if in_upload else "begin",
            "DELETE": "abort" if in_upload else "remove",
        }
        return found[self.command], key

    def wrong_sum(self) -> dict[str, str]:
        return {"x-amz-checksum-sha256": base64.b64encode(bytes(32)).decode()}

    def do(self) -> None:
        where = urlsplit(self.path)
        bucket, _, key = unquote(where.path)[1:].partition("/")
        query = {name: one[0] for name, one in parse_qs(where.query, keep_blank_values=True).items()}
        if bucket != self.store.bucket:
            self.answer(404, _error("NoSuchBucket"))
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
            self.answer(400, _error("BadDigest"))
            return
        getattr(self, "_list_uploads" if name == "_list" and "uploads" in query else name)(key, query)

    def _sums_fit(self) -> bool:
        digests = {
            "content-md5": base64.b64encode(hashlib.md5(self.body).digest()).decode(),
            "x-amz-checksum-sha256": base64.b64encode(hashlib.sha256(self.body).digest()).decode(),
            "x-amz-content-sha256": hashlib.sha256(self.body).hexdigest(),
        }
        return all(self.headers.get(name, said) == said for name, said in digests.items())

    def _met(self, key: str) -> bool:
        there = self.store.objects.get(key)
        none_match, match = self.headers.get("if-none-match"), self.headers.get("if-match")
        if not self.store.conditions:
            return True
        if none_match == "*" and there is not None:
            return False
        return match is None or (there is not None and match.strip('"') == there.etag)

    def _list(self, _: str, query: dict[str, str]) -> None:
        keys = [key for key in sorted(self.store.objects) if key.startswith(query.get("prefix", ""))]
        keys = [key for key in keys if key > query.get("continuation-token", "")]
        page = keys[: self.store.page_size]
        rows = "".join(
            f"<Contents><Key>{quote_plus(key, safe='/')}</Key><LastModified>{DATE}</LastModified>"
            f"<ETag>&quot;{self.store.objects[key].etag}&quot;</ETag><Size>{len(self.store.objects[key].body)}</Size>"
            "</Contents>"
            for key in page
        )
        more = len(page) < len(keys)
        token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
        cut = str(more).lower()
        self.answer(
            200,
            f"<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>{cut}</IsTruncated>{rows}{token}"
            "</ListBucketResult>",
        )

    def _list_uploads(self, _: str, query: dict[str, str]) -> None:
        prefix, behind = (
            query.get("prefix", ""),
            (query.get("key-marker", ""), query.get("upload-id-marker", "")),
        )
        found = sorted((one.key, id) for id, one in self.store.uploads.items() if one.key.startswith(prefix))
        found = [one for one in found if one > behind]
        page = found[: self.store.page_size]
        rows = "".join(
            f"<Upload><Key>{quote_plus(key, safe='/')}</Key><UploadId>{id}</UploadId></Upload>"
            for key, id in page
        )
        more = ""
        if len(page) < len(found):
            key, id = page[-1]
            more = f"<NextKeyMarker>{quote_plus(key)}</NextKeyMarker>"
            more += f"<NextUploadIdMarker>{id}</NextUploadIdMarker>"
        self.answer(
            200,
            f"<ListMultipartUploadsResult><EncodingType>url</EncodingType><IsTruncated>{str(bool(more)).lower()}"
            f"</IsTruncated>{more}{rows}</ListMultipartUploadsResult>",
        )

    def _list_parts(self, _: str, query: dict[str, str]) -> None:
        if (upload := self.store.uploads.get(query["uploadId"])) is None:
            self.answer(404, _error("NoSuchUpload"))
            return
        rows = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>&quot;{hashlib.md5(body).hexdigest()}&quot;</ETag>"
            f"<Size>{len(body)}</Size></Part>"
            for number, body in sorted(upload.parts.items())
        )
        self.answer(200, f"<ListPartsResult><IsTruncated>false</IsTruncated>{rows}</ListPartsResult>")

    def _read(self, key: str, _: dict[str, str]) -> None:
        stored = self.store.objects.get(key)
        if stored is None:
            self.answer(404, _error("NoSuchKey"))
            return
        if not self._met(key):
            self.answer(412, _error("PreconditionFailed"))
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
        self.answer(status, body, fields)

    def _put(self, key: str, _: dict[str, str]) -> None:
        if source := self.headers.get("x-amz-copy-source"):
            found = self.store.objects.get(unquote(source).removeprefix(f"/{self.store.bucket}/"))
            if found is None:
                self.answer(404, _error("NoSuchKey"))
                return
            self.store.objects[key] = Stored(found.body, found.etag, dict(found.fields))
            self.answer(200, f"<CopyObjectResult><ETag>&quot;{found.etag}&quot;</ETag></CopyObjectResult>")
            return
        if not self._met(key):
            self.answer(412, _error("PreconditionFailed"))
            return
        etag = hashlib.md5(self.body).hexdigest()
        self.store.objects[key] = Stored(self.body, etag, self._metadata())
        self.answer(200, "", {"ETag": f'"{etag}"'})

    def _metadata(self) -> dict[str, str]:
        return {name: value for name, value in self.headers.items() if name.lower().startswith("x-amz-meta-")}

    def _begin(self, key: str, _: dict[str, str]) -> None:
        id = f"upload-{next(self.store.ids)}"
        self.store.uploads[id] = Upload(key, self._metadata())
        self.answer(
            200, f"<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
        )

    def _put_part(self, _: str, query: dict[str, str]) -> None:
        if (upload := self.store.uploads.get(query["uploadId"])) is None:
            self.answer(404, _error("NoSuchUpload"))
            return
        upload.parts[int(query["partNumber"])] = self.body
        self.answer(200, "", {"ETag": f'"{hashlib.md5(self.body).hexdigest()}"'})

    def _complete(self, key: str, query: dict[str, str]) -> None:
        if (upload := self.store.uploads.get(query["uploadId"])) is None:
            self.answer(404, _error("NoSuchUpload"))
            return
        if self.fault == "late-error":
            self.answer(200, _error("InternalError"))
            return
        if not self._met(key):
            self.answer(412, _error("PreconditionFailed"))
            return
        named = re.findall(
            r"<PartNumber>(\d+)</PartNumber><ETag>&quot;([0-9a-f]{32})&quot;</ETag>", self.body.decode()
        )
        bodies = [upload.parts.get(int(number), b"") for number, _ in named]
        fits = all(
            hashlib.md5(body).hexdigest() == etag for body, (_, etag) in zip(bodies, named, strict=True)
        )
        if not named or not fits or any(len(body) < MIN_PART_BYTES for body in bodies[:-1]):
            self.answer(400, _error("InvalidPart"))
            return
        del self.store.uploads[query["uploadId"]]
        digest = hashlib.md5(b"".join(bytes.fromhex(etag) for _, etag in named)).hexdigest()
        etag = f"{digest}-{len(named)}"
        self.store.objects[key] = Stored(b"".join(bodies), etag, upload.fields)
        self.answer(
            200,
            f"<CompleteMultipartUploadResult><ETag>&quot;{etag}&quot;</ETag></CompleteMultipartUploadResult>",
        )

    def _remove(self, key: str, query: dict[str, str]) -> None:
        if "uploadId" in query:
            self.store.uploads.pop(query["uploadId"], None)
        else:
            self.store.objects.pop(key, None)
        self.answer(204, "")


class S3Server(ObjectServer):
    """See `ObjectServer`."""

    handler = _Handler
    digest_field = "x-amz-meta-mlhub-sha256"

    @property
    def dest(self) -> str:
        return f"s3://{self.bucket}"


def _error(code: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code></Error>'
