"""The calls of S3, and of all stores with its interface.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations.html (read 2026-11)
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote, unquote, unquote_plus
from xml.sax.saxutils import escape

from ....core.errors import TransferError, Transient
from ....core.formats.xml_text import elements
from ....core.model import Request
from ....core.ports import Answer, ListedObject, ObjectFacts, Sums, UnfinishedUpload, UploadPart, Whole
from ....core.urls import quoted_key, redacted
from ..media_types import media_type
from .answers import age, element, etag_of, number, ranged, require_end, text_of
from .protocol import Call, Copied, ListedPage, PartsPage, UploadsPage, Written

DIGEST_FIELD = "x-amz-meta-mlhub-sha256"
"""The metadata of an object that holds its SHA-256 in hex."""
SUM_FIELD = "x-amz-checksum-sha256"
_is_md5 = re.compile(r"[0-9a-f]{32}").fullmatch
_is_truncated = re.compile(r"<IsTruncated>\s*true\s*<", re.IGNORECASE).search


class S3Api:
    """See `StoreApi`. `url_of` gives the URL of a key, and that of the bucket for ""."""

    part_bytes = 8 << 20
    is_sequential = needs_md5 = False
    max_copy_bytes = 5 << 30

    def __init__(self, url_of: Callable[[str], str]) -> None:
        self._url_of = url_of

    def _bucket_url(self) -> str:
        url = self._url_of("")
        return url if url.count("/") == 3 else url.removesuffix("/")

    def page(self, prefix: str, token: str) -> Call[ListedPage]:
        query = f"list-type=2&encoding-type=url&prefix={quote(prefix, safe='')}"
        if token:
            query += f"&continuation-token={quote(token, safe='')}"
        return Call(Request(f"{self._bucket_url()}?{query}"), _read_page)

    def facts(self, key: str) -> Call[ObjectFacts]:
        return Call(Request(self._url_of(key), "HEAD"), _read_facts)

    def put(self, key: str, body: bytes, sums: Sums, replaces: str | None) -> Call[Written]:
        fields = {**_sum_fields(sums), "content-type": media_type(key), DIGEST_FIELD: sums.whole}
        request = Request(self._url_of(key), "PUT", {**fields, **_condition(replaces)}, body)
        return Call(request, lambda answer: _read_written(answer, sums))

    def read(self, key: str, first: int, size: int, etag: str) -> Call[bytes]:
        fields = {**ranged(first, size), "if-match": f'"{etag}"'}
        return Call(Request(self._url_of(key), headers=fields), lambda answer: answer.body)

    def remove(self, key: str) -> Request:
        return Request(self._url_of(key), "DELETE")

    def copy(self, source: str, facts: ObjectFacts, key: str, token: str) -> Call[Copied]:
        request = Request(self._url_of(key), "PUT", self._source_fields(source, facts), b"")
        return Call(request, lambda answer: Copied(_read_etag(answer)))

    def _source_fields(self, source: str, facts: ObjectFacts) -> dict[str, str]:
        """Bucket and key, as the field has them: also where the bucket is in the name of the host."""
        rest = self._url_of("").partition("://")[2]
        host, _, bucket = rest.removesuffix("/").partition("/")
        fields = {"x-amz-copy-source": f"/{bucket or host.partition('.s3')[0]}/{quoted_key(source)}"}
        if facts.etag:
            fields["x-amz-copy-source-if-match"] = f'"{facts.etag}"'
        return fields

    def copy_part(
        self, upload: UnfinishedUpload, number: int, source: str, facts: ObjectFacts, span: range
    ) -> Call[UploadPart]:
        fields = self._source_fields(source, facts)
        fields["x-amz-copy-source-range"] = f"bytes={span.start}-{span.stop - 1}"
        request = Request(self._upload_url(upload, f"partNumber={number}&"), "PUT", fields, b"")
        return Call(request, lambda answer: UploadPart(number, len(span), _read_etag(answer)))

    def _upload_url(self, upload: UnfinishedUpload, query: str = "") -> str:
        return f"{self._url_of(upload.key)}?{query}uploadId={quote(upload.id, safe='')}"

    def begin_upload(self, key: str, whole: Whole, replaces: str | None) -> Call[str]:
        """The condition is that of the completion."""
        fields = {"content-type": media_type(key), DIGEST_FIELD: whole.sha256}
        where = redacted(self._url_of(key))

        def read(answer: Answer) -> str:
            if not (found := element(_result(answer), "UploadId")):
                raise TransferError(f"{where}: no id of an upload came", kind="protocol")
            return found

        return Call(Request(f"{self._url_of(key)}?uploads", "POST", fields, b""), read)

    def put_part(
        self, upload: UnfinishedUpload, number: int, first: int, body: bytes, sums: Sums, whole: Whole
    ) -> Call[Written]:
        request = Request(self._upload_url(upload, f"partNumber={number}&"), "PUT", _sum_fields(sums), body)
        return Call(request, lambda answer: _read_written(answer, sums))

    def parts(self, upload: UnfinishedUpload, after: int) -> Call[PartsPage]:
        url = self._upload_url(upload) + (f"&part-number-marker={after}" if after else "")
        return Call(Request(url), _read_parts)

    def complete_upload(
        self, upload: UnfinishedUpload, parts: Sequence[UploadPart], whole: Whole, replaces: str | None
    ) -> Call[str]:
        rows = "".join(
            f"<Part><PartNumber>{one.number}</PartNumber><ETag>&quot;{escape(one.etag)}&quot;</ETag></Part>"
            for one in parts
        )
        body = f"<CompleteMultipartUpload>{rows}</CompleteMultipartUpload>".encode()
        fields = {"content-type": "application/xml", **_condition(replaces)}
        return Call(Request(self._upload_url(upload), "POST", fields, body), _read_etag)

    def unfinished(self, prefix: str, token: str) -> Call[UploadsPage]:
        query = f"uploads&encoding-type=url&prefix={quote(prefix, safe='')}{token}"
        return Call(Request(f"{self._bucket_url()}?{query}"), _read_uploads)

    def abort_upload(self, upload: UnfinishedUpload) -> Request:
        return Request(self._upload_url(upload), "DELETE")


def _condition(replaces: str | None) -> dict[str, str]:
    if replaces is None:
        return {}
    return {"if-match": f'"{replaces}"'} if replaces else {"if-none-match": "*"}


def _sum_fields(sums: Sums) -> dict[str, str]:
    return {
        "content-md5": b64encode(sums.md5).decode(),
        SUM_FIELD: b64encode(sums.sha256).decode(),
        "x-amz-content-sha256": sums.sha256.hex(),
    }


def _read_page(answer: Answer) -> ListedPage:
    text = text_of(answer)
    require_end(text, "</ListBucketResult>", "objects")
    encoded = "<EncodingType>url<" in text
    following = element(text, "NextContinuationToken") if _is_truncated(text) else ""
    if _is_truncated(text) and not following:
        raise Transient("the object store listed objects and not how to go on", kind="protocol", tries=3)
    return ListedPage([_listed(one, encoded=encoded) for one in elements(text, "Contents")], following)


def _listed(text: str, *, encoded: bool) -> ListedObject:
    key = element(text, "Key")
    etag = element(text, "ETag").strip('"')
    return ListedObject(unquote_plus(key) if encoded else key, number(element(text, "Size")), etag)


def _read_facts(answer: Answer) -> ObjectFacts:
    fields = answer.fields
    size, digest = number(fields.get("content-length", "")), fields.get(DIGEST_FIELD, "")
    return ObjectFacts(size, etag_of(fields), digest, age(fields))


def _read_written(answer: Answer, sums: Sums) -> Written:
    """An ETag is the MD5 of a body that came with one request, unless the object is encrypted by a key
    service."""
    fields, etag = answer.fields, etag_of(answer.fields)
    if fields.get(SUM_FIELD, "") not in ("", b64encode(sums.sha256).decode()):
        return Written(etag, fits=False)
    encrypted = fields.get("x-amz-server-side-encryption", "")
    if not _is_md5(etag) or encrypted.startswith("aws:") or _has_own_key(fields):
        return Written(etag)
    return Written(etag, fits=etag == sums.md5.hex())


def _has_own_key(fields: Mapping[str, str]) -> bool:
    return any(name.startswith("x-amz-server-side-encryption-customer") for name in fields)


def _read_parts(answer: Answer) -> PartsPage:
    text = text_of(answer)
    return PartsPage([_part(one) for one in elements(text, "Part")], _is_truncated(text) is not None)


def _part(text: str) -> UploadPart:
    etag = unquote(element(text, "ETag")).strip('"')
    return UploadPart(max(number(element(text, "PartNumber")), 0), number(element(text, "Size")), etag)


def _read_uploads(answer: Answer) -> UploadsPage:
    text = text_of(answer)
    require_end(text, "</ListMultipartUploadsResult>", "uploads")
    decode = unquote_plus if "<EncodingType>url<" in text else str
    found = [(decode(element(one, "Key")), element(one, "UploadId")) for one in elements(text, "Upload")]
    if not _is_truncated(text):
        return UploadsPage(found)
    key, id_ = decode(element(text, "NextKeyMarker")), element(text, "NextUploadIdMarker")
    return UploadsPage(found, f"&key-marker={quote(key, safe='')}&upload-id-marker={quote(id_, safe='')}")


def _read_etag(answer: Answer) -> str:
    return element(_result(answer), "ETag").strip('"')


def _result(answer: Answer) -> str:
    """S3 may begin an answer with 200 before it knows that the request fails."""
    text = text_of(answer)
    if "<Error>" in text[:2000] or not text.rstrip().endswith(">"):
        code = element(text, "Code")[:64]
        raise Transient(f"the object store began to answer and then failed ({code})", kind="server-error")
    return text
