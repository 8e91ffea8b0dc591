"""Writes, copies and removes the objects of a bucket by the REST interface of S3.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations.html (read 2026-11)
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from html import unescape
from urllib.parse import quote, unquote, unquote_plus
from xml.sax.saxutils import escape

from ...core.errors import TransferError, Transient
from ...core.model import Request
from ...core.ports.objects import (
    Answer,
    ListedObject,
    ObjectFacts,
    StoreRequests,
    Sums,
    UnfinishedUpload,
    UploadPart,
    accept,
)
from ...core.urls import quoted_key, redacted
from .media_types import media_type

PART_BYTES = 8 << 20
CORRUPT_TRIES = 3
"""So often a body is sent if the store says that it has other bytes."""
MAX_COPY_BYTES = 5 << 30
"""A larger object is copied in parts."""
COPY_PART_BYTES = 1 << 30
DIGEST_FIELD = "x-amz-meta-mlhub-sha256"
"""The metadata of an object that holds its SHA-256 in hex."""
SUM_FIELD = "x-amz-checksum-sha256"
_objects = re.compile(r"<Contents>(.*?)</Contents>", re.DOTALL).findall
_parts = re.compile(r"<Part>(.*?)</Part>", re.DOTALL).findall
_is_md5 = re.compile(r"[0-9a-f]{32}").fullmatch
_is_truncated = re.compile(r"<IsTruncated>\s*true\s*<", re.IGNORECASE).search


class S3Objects:
    """See `ports.Objects`. `url_of` gives the URL of a key, and that of the bucket for ""."""

    part_bytes = PART_BYTES

    def __init__(self, requests: StoreRequests, url_of: Callable[[str], str]) -> None:
        self._requests = requests
        self._url_of = url_of
        self.has_conditions = True
        """whether the store knows conditional writes, as far as that is known"""

    async def listing(self, prefix: str) -> AsyncGenerator[Sequence[ListedObject], None]:
        query = f"list-type=2&encoding-type=url&prefix={quote(prefix, safe='')}"
        token = ""
        while True:
            asked = f"{query}&continuation-token={quote(token, safe='')}" if token else query
            answer = await self._ask(Request(f"{self._bucket_url}?{asked}"), check_listing)
            text = answer.body.decode("utf-8", "replace")
            encoded = "<EncodingType>url<" in text
            yield [_listed(one, encoded=encoded) for one in _objects(text)]
            following = _field(text, "NextContinuationToken") if _is_truncated(text) else ""
            if not following or following == token:
                return
            token = following

    @property
    def _bucket_url(self) -> str:
        url = self._url_of("")
        return url if url.count("/") == 3 else url.removesuffix("/")

    async def facts(self, key: str) -> ObjectFacts | None:
        try:
            answer = await self._requests.ask(Request(self._url_of(key), "HEAD"))
        except TransferError as error:
            if not error.absent:
                raise
            return None
        size = answer.fields.get("content-length", "")
        digest = answer.fields.get(DIGEST_FIELD, "")
        known_size = int(size) if size.isdecimal() else -1
        return ObjectFacts(known_size, _etag(answer.fields), digest, _age(answer.fields))

    async def put(self, key: str, body: bytes, sums: Sums, *, replaces: str | None = None) -> str:
        fields = {**_sum_fields(sums), "content-type": media_type(key), DIGEST_FIELD: sums.whole}
        request = Request(self._url_of(key), "PUT", fields, body)
        for left in reversed(range(CORRUPT_TRIES)):
            answer = await self._write(request, replaces)
            if fits(answer, sums):
                break
            await self.remove(key)
            self._give_up(key, left)
            replaces = None if replaces is None else ""
        return _etag(answer.fields)

    def _give_up(self, key: str, left: int) -> None:
        if not left:
            where = redacted(self._url_of(key))
            raise TransferError(f"{where}: the store has other bytes than were sent", kind="corrupt")

    async def begin_upload(self, key: str, whole: str) -> str:
        fields = {"content-type": media_type(key), DIGEST_FIELD: whole}
        answer = await self._ask(Request(f"{self._url_of(key)}?uploads", "POST", fields, b""), check_result)
        if not (found := _field(answer.body.decode("utf-8", "replace"), "UploadId")):
            raise TransferError(f"{redacted(self._url_of(key))}: no id of an upload came", kind="protocol")
        return found

    async def put_part(self, upload: UnfinishedUpload, number: int, body: bytes, sums: Sums) -> UploadPart:
        url = f"{self._url_of(upload.key)}?partNumber={number}&uploadId={quote(upload.id, safe='')}"
        request = Request(url, "PUT", _sum_fields(sums), body)
        for left in reversed(range(CORRUPT_TRIES)):
            answer = await self._ask(request)
            if fits(answer, sums):
                break
            self._give_up(upload.key, left)
        return UploadPart(number, len(body), _etag(answer.fields))

    async def parts(self, upload: UnfinishedUpload) -> list[UploadPart]:
        found: list[UploadPart] = []
        while True:
            after = f"&part-number-marker={found[-1].number}" if found else ""
            url = f"{self._url_of(upload.key)}?uploadId={quote(upload.id, safe='')}{after}"
            text = (await self._ask(Request(url))).body.decode("utf-8", "replace")
            page = [_part(one) for one in _parts(text)]
            found += page
            if not page or not _is_truncated(text):
                return found

    async def complete_upload(
        self, upload: UnfinishedUpload, parts: Sequence[UploadPart], *, replaces: str | None = None
    ) -> str:
        rows = "".join(
            f"<Part><PartNumber>{one.number}</PartNumber><ETag>&quot;{escape(one.etag)}&quot;</ETag></Part>"
            for one in parts
        )
        body = f"<CompleteMultipartUpload>{rows}</CompleteMultipartUpload>".encode()
        url = f"{self._url_of(upload.key)}?uploadId={quote(upload.id, safe='')}"
        request = Request(url, "POST", {"content-type": "application/xml"}, body)
        answer = await self._write(request, replaces, check_result)
        return _field(answer.body.decode("utf-8", "replace"), "ETag").strip('"')

    async def abort_upload(self, upload: UnfinishedUpload) -> None:
        await self._delete(f"{self._url_of(upload.key)}?uploadId={quote(upload.id, safe='')}")

    async def copy(self, source: str, facts: ObjectFacts, key: str) -> str:
        fields = {"x-amz-copy-source": self._copy_source(source)}
        if facts.etag:
            fields["x-amz-copy-source-if-match"] = f'"{facts.etag}"'
        if facts.size > MAX_COPY_BYTES:
            return await self._copy_in_parts(fields, facts, key)
        answer = await self._ask(Request(self._url_of(key), "PUT", fields, b""), check_result)
        return _field(answer.body.decode("utf-8", "replace"), "ETag").strip('"')

    async def _copy_in_parts(self, fields: Mapping[str, str], facts: ObjectFacts, key: str) -> str:
        upload = UnfinishedUpload(key, await self.begin_upload(key, facts.sha256))
        parts: list[UploadPart] = []
        for number, first in enumerate(range(0, facts.size, COPY_PART_BYTES), 1):
            size = min(COPY_PART_BYTES, facts.size - first)
            ranged = {**fields, "x-amz-copy-source-range": f"bytes={first}-{first + size - 1}"}
            url = f"{self._url_of(key)}?partNumber={number}&uploadId={quote(upload.id, safe='')}"
            answer = await self._ask(Request(url, "PUT", ranged, b""), check_result)
            etag = _field(answer.body.decode("utf-8", "replace"), "ETag").strip('"')
            parts.append(UploadPart(number, size, etag))
        return await self.complete_upload(upload, parts)

    def _copy_source(self, key: str) -> str:
        """Bucket and key, as the field has them: also where the bucket is in the name of the host."""
        rest = self._url_of("").partition("://")[2]
        host, _, bucket = rest.removesuffix("/").partition("/")
        return f"/{bucket or host.partition('.s3')[0]}/{quoted_key(key)}"

    async def remove(self, key: str) -> None:
        await self._delete(self._url_of(key))

    async def _delete(self, url: str) -> None:
        try:
            await self._requests.ask(Request(url, "DELETE"))
        except TransferError as error:
            if not (error.no_content or error.absent):
                raise

    async def read(self, key: str, first: int, size: int, etag: str) -> bytes:
        fields = {"range": f"bytes={first}-{first + size - 1}", "if-match": f'"{etag}"'}

        def check(answer: Answer) -> None:
            if len(answer.body) != size:
                words = f"{redacted(self._url_of(key))}: other bytes than those asked for"
                raise Transient(words, kind="range", tries=3)

        return (await self._ask(Request(self._url_of(key), headers=fields), check)).body if size else b""

    async def _write(
        self, request: Request, replaces: str | None, check: Callable[[Answer], None] = accept
    ) -> Answer:
        """A write that makes an object visible, with a condition where the store knows such."""
        if replaces is not None and self.has_conditions:
            condition = {"if-match": f'"{replaces}"'} if replaces else {"if-none-match": "*"}
            try:
                fields = {**request.headers, **condition}
                return await self._requests.ask(request._replace(headers=fields), check)
            except TransferError as error:
                if not error.unsupported:
                    raise
            self.has_conditions = False
        return await self._requests.ask(request, check)

    async def _ask(self, request: Request, check: Callable[[Answer], None] = accept) -> Answer:
        return await self._requests.ask(request, check)


def check_result(answer: Answer) -> None:
    """S3 may begin an answer with 200 before it knows that the request fails."""
    if b"<Error>" in answer.body[:2000] or not answer.body.rstrip().endswith(b">"):
        code = _field(answer.body.decode("utf-8", "replace"), "Code")[:64]
        raise Transient(f"the object store began to answer and then failed ({code})", kind="server-error")


def check_listing(answer: Answer) -> None:
    """A listing that is cut would hide objects."""
    if not answer.body.rstrip().endswith(b"</ListBucketResult>"):
        raise Transient(
            "the object store sent no list of objects, or not the whole of it", kind="protocol", tries=3
        )


def fits(answer: Answer, sums: Sums) -> bool:
    """Whether the store does not say that it has other bytes than those that were sent.

    An ETag is the MD5 of a body that came with one request, unless the object is encrypted by a key service.
    """
    said = answer.fields.get(SUM_FIELD, "")
    if said not in ("", b64encode(sums.sha256).decode()):
        return False
    etag, encrypted = _etag(answer.fields), answer.fields.get("x-amz-server-side-encryption", "")
    if not _is_md5(etag) or encrypted.startswith("aws:") or _has_own_key(answer.fields):
        return True
    return etag == sums.md5.hex()


def _has_own_key(fields: Mapping[str, str]) -> bool:
    return any(name.startswith("x-amz-server-side-encryption-customer") for name in fields)


def _sum_fields(sums: Sums) -> dict[str, str]:
    return {
        "content-md5": b64encode(sums.md5).decode(),
        SUM_FIELD: b64encode(sums.sha256).decode(),
        "x-amz-content-sha256": sums.sha256.hex(),
    }


def _age(fields: Mapping[str, str]) -> float:
    try:
        now, then = (parsedate_to_datetime(fields[name]) for name in ("date", "last-modified"))
        return max((now - then).total_seconds(), 0.0)
    except (KeyError, ValueError, TypeError):
        return -1.0


def _etag(fields: Mapping[str, str]) -> str:
    return fields.get("etag", "").removeprefix("W/").strip('"')


def _field(text: str, name: str) -> str:
    found = re.search(rf"<{name}>([^<]*)<", text)
    return unescape(found[1]) if found else ""


def _listed(text: str, *, encoded: bool) -> ListedObject:
    key = _field(text, "Key")
    size = _field(text, "Size")
    return ListedObject(
        unquote_plus(key) if encoded else key,
        int(size) if size.isdecimal() else -1,
        _field(text, "ETag").strip('"'),
    )


def _part(text: str) -> UploadPart:
    number, size = _field(text, "PartNumber"), _field(text, "Size")
    return UploadPart(
        int(number) if number.isdecimal() else 0,
        int(size) if size.isdecimal() else -1,
        unquote(_field(text, "ETag")).strip('"'),
    )
