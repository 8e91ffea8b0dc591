"""The calls of Azure Blob Storage. An upload is blocks that are not committed yet.

The name of a block has the MD5 that its bytes were sent with: the store refuses other bytes then, and so a
later run knows what it has. Blocks belong to the blob: there is no call that begins an upload, or ends one
without making the blob. The store forgets blocks a week after the last one, and when the blob is written.

https://learn.microsoft.com/rest/api/storageservices/blob-service-rest-api (read 2026-11)
"""

from __future__ import annotations

import os
import re
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from urllib.parse import quote, unquote

from ....core.errors import Transient
from ....core.formats.xml_text import elements, unescaped
from ....core.model import Request
from ....core.ports import Answer, ListedObject, ObjectFacts, Sums, UnfinishedUpload, UploadPart, Whole
from ..media_types import media_type
from .answers import age, element, etag_of, number, ranged, require_end, text_of
from .protocol import Call, Copied, CopyPart, ListedPage, PartsPage, Written

VERSION = {"x-ms-version": "2021-06-08"}
DIGEST_FIELD = "x-ms-meta-mlhub_sha256"
"""The metadata of a blob that holds its SHA-256 in hex. Names there have no hyphens."""
PAGE_BLOBS = 5000
_name = re.compile(r"<Name(?:\s+Encoded=[\"'](\w+)[\"']\s*)?>([^<]*)<").search
_block_name = re.compile(r"([0-9a-f]{8})(\d{6})([0-9a-f]{32})").fullmatch
"""Upload, number and MD5: all names of the blocks of a blob must be of one length, at most 64 characters."""


class AzureApi:
    """See `StoreApi`. `url_of` gives the URL of a key, and that of the container for ""."""

    part_bytes = 8 << 20
    is_sequential = False
    needs_md5 = True
    """A blob of blocks has no digest but the one that is given for it."""
    max_copy_bytes = sys.maxsize
    copy_part: CopyPart | None = None

    def __init__(self, url_of: Callable[[str], str]) -> None:
        self._url_of = url_of

    def page(self, prefix: str, token: str) -> Call[ListedPage]:
        query = f"restype=container&comp=list&maxresults={PAGE_BLOBS}&prefix={quote(prefix, safe='')}"
        if token:
            query += f"&marker={quote(token, safe='')}"
        url = f"{self._url_of('').removesuffix('/')}?{query}"
        return Call(Request(url, headers=VERSION), _read_page)

    def facts(self, key: str) -> Call[ObjectFacts]:
        return Call(Request(self._url_of(key), "HEAD", VERSION), _read_facts)

    def put(self, key: str, body: bytes, sums: Sums, replaces: str | None) -> Call[Written]:
        md5 = b64encode(sums.md5).decode()
        about = {"x-ms-blob-type": "BlockBlob", "content-md5": md5, **_about(key, sums.whole, sums.md5)}
        fields = {**VERSION, **about, **_condition(replaces)}
        request = Request(self._url_of(key), "PUT", fields, body)
        return Call(request, lambda answer: _read_written(answer, sums))

    def read(self, key: str, first: int, size: int, etag: str) -> Call[bytes]:
        fields = {**VERSION, **ranged(first, size), "if-match": f'"{etag}"'}
        return Call(Request(self._url_of(key), headers=fields), lambda answer: answer.body)

    def remove(self, key: str) -> Request:
        return Request(self._url_of(key), "DELETE", VERSION)

    def copy(self, source: str, facts: ObjectFacts, key: str, token: str) -> Call[Copied]:
        if token:
            return Call(Request(self._url_of(key), "HEAD", VERSION), _read_copied)
        fields = {**VERSION, "x-ms-copy-source": self._url_of(source)}
        if facts.etag:
            fields["x-ms-source-if-match"] = f'"{facts.etag}"'
        return Call(Request(self._url_of(key), "PUT", fields, b""), _read_copied)

    def begin_upload(self, key: str, whole: Whole, replaces: str | None) -> str:
        return os.urandom(4).hex()

    def put_part(
        self, upload: UnfinishedUpload, number: int, first: int, body: bytes, sums: Sums, whole: Whole
    ) -> Call[Written]:
        name = quote(_block_id(upload.id, number, sums.md5.hex()), safe="")
        fields = {**VERSION, "content-md5": b64encode(sums.md5).decode()}
        request = Request(f"{self._url_of(upload.key)}?comp=block&blockid={name}", "PUT", fields, body)
        return Call(request, lambda answer: _read_written(answer, sums)._replace(etag=sums.md5.hex()))

    def parts(self, upload: UnfinishedUpload, after: int) -> Call[PartsPage]:
        url = f"{self._url_of(upload.key)}?comp=blocklist&blocklisttype=uncommitted"
        return Call(Request(url, headers=VERSION), lambda answer: _read_parts(answer, upload.id))

    def complete_upload(
        self, upload: UnfinishedUpload, parts: Sequence[UploadPart], whole: Whole, replaces: str | None
    ) -> Call[str]:
        names = (_block_id(upload.id, one.number, one.etag) for one in parts)
        rows = "".join(f"<Uncommitted>{name}</Uncommitted>" for name in names)
        body = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{rows}</BlockList>'.encode()
        about = {"content-type": "application/xml", **_about(upload.key, whole.sha256, whole.md5)}
        fields = {**VERSION, **about, **_condition(replaces)}
        request = Request(f"{self._url_of(upload.key)}?comp=blocklist", "PUT", fields, body)
        return Call(request, lambda answer: etag_of(answer.fields))

    def unfinished(self, prefix: str, token: str) -> None:
        return None

    def abort_upload(self, upload: UnfinishedUpload) -> None:
        return None


def _about(key: str, sha256: str, md5: bytes) -> dict[str, str]:
    """The properties of a blob."""
    kind, digest = media_type(key), b64encode(md5).decode()
    return {"x-ms-blob-content-type": kind, "x-ms-blob-content-md5": digest, DIGEST_FIELD: sha256}


def _condition(replaces: str | None) -> dict[str, str]:
    if replaces is None:
        return {}
    return {"if-match": f'"{replaces}"'} if replaces else {"if-none-match": "*"}


def _block_id(upload: str, number: int, md5: str) -> str:
    return b64encode(f"{upload}{number:06}{md5}".encode()).decode()


def _read_page(answer: Answer) -> ListedPage:
    text = text_of(answer)
    require_end(text, "</EnumerationResults>", "blobs")
    found = [_listed(one) for one in elements(text, "Blob")]
    return ListedPage([one for one in found if one is not None], element(text, "NextMarker"))


def _listed(text: str) -> ListedObject | None:
    """None for a directory of an account with a hierarchy."""
    name = _name(text)
    is_directory = element(text, "ResourceType") == "directory" or "<hdi_isfolder>" in text
    if is_directory:
        return None
    text_of_name = unescaped(name[2]) if name is not None else ""
    key = unquote(text_of_name) if name is not None and name[1] == "true" else text_of_name
    return ListedObject(key, number(element(text, "Content-Length")), element(text, "Etag").strip('"'))


def _read_facts(answer: Answer) -> ObjectFacts:
    fields = answer.fields
    size, digest = number(fields.get("content-length", "")), fields.get(DIGEST_FIELD, "")
    return ObjectFacts(size, etag_of(fields), digest, age(fields))


def _read_written(answer: Answer, sums: Sums) -> Written:
    said = answer.fields.get("content-md5", "")
    return Written(etag_of(answer.fields), fits=said in ("", b64encode(sums.md5).decode()))


def _read_copied(answer: Answer) -> Copied:
    state = answer.fields.get("x-ms-copy-status", "success")
    if state in ("failed", "aborted"):
        raise Transient(f"the object store did not copy ({state})", kind="server-error")
    return Copied(etag_of(answer.fields), "pending" if state == "pending" else "")


def _decoded(name: str) -> str:
    """The name of a block; "" for one that another program has made otherwise."""
    try:
        return b64decode(name, validate=True).decode("ascii")
    except ValueError:
        return ""


def _read_parts(answer: Answer, upload: str) -> PartsPage:
    """Those of one upload: there may be blocks of others, which nobody needs any more."""
    text = text_of(answer)
    require_end(text, "</BlockList>", "blocks")
    found = []
    for one in elements(text, "Block"):
        named = _block_name(_decoded(element(one, "Name")))
        if named is not None and named[1] == upload:
            found.append(UploadPart(int(named[2]), number(element(one, "Size")), named[3]))
    return PartsPage(found)
