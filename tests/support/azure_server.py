"""A small object store with the interface of Azure Blob Storage, over real sockets, with faults on demand.

It refuses bodies that are not as their MD5 says, and knows conditional writes and blocks, as its service
does: https://learn.microsoft.com/rest/api/storageservices/blob-service-rest-api (read 2026-11).
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from support.object_server import RECENTLY, ObjectHandler, ObjectServer, Stored

_ERRORS = {
    "slow-down": (503, "ServerBusy"),
    "denied": (403, "AuthorizationPermissionMismatch"),
    "retained": (409, "BlobImmutableDueToPolicy"),
    "unsupported": (501, "NotImplemented"),
}


@dataclass
class Blocks:
    """Those of one blob that are not committed."""

    key: str
    parts: dict[str, bytes] = field(default_factory=dict)


class _Handler(ObjectHandler):
    store: AzureServer

    def refusal(self, fault: str) -> tuple[int, str, dict[str, str]]:
        status, code = _ERRORS[fault]
        return status, _error(code), {"x-ms-error-code": code}

    def operation(self, begun: bytes) -> tuple[str, str]:
        where = urlsplit(self.path)
        asked = parse_qs(where.query).get("comp", [""])[0]
        found = {
            ("GET", ""): "read",
            ("GET", "list"): "list",
            ("GET", "blocklist"): "parts",
            ("HEAD", ""): "facts",
            ("PUT", ""): "copy" if self.headers.get("x-ms-copy-source") else "put",
            ("PUT", "block"): "part",
            ("PUT", "blocklist"): "complete",
            ("DELETE", ""): "remove",
        }
        return found[self.command, asked], (*unquote(where.path)[1:].split("/", 2), "", "")[2]

    def wrong_sum(self) -> dict[str, str]:
        return {"Content-MD5": base64.b64encode(bytes(16)).decode()}

    def _refuse(self, status: int, code: str) -> None:
        self.answer(status, _error(code), {"x-ms-error-code": code})

    def do(self) -> None:
        where = urlsplit(self.path)
        account, bucket, key = (*unquote(where.path)[1:].split("/", 2), "", "")[:3]
        query = {name: one[0] for name, one in parse_qs(where.query, keep_blank_values=True).items()}
        assert self.command == "GET" or self.headers["x-ms-version"] >= "2021-06-08"
        if (account, bucket) != (self.store.account, self.store.bucket):
            self._refuse(404, "ContainerNotFound")
            return
        if self.headers.get("content-md5", _md5(self.body)) != _md5(self.body):
            self._refuse(400, "Md5Mismatch")
            return
        name = {
            ("GET", ""): "_read",
            ("GET", "list"): "_list",
            ("GET", "blocklist"): "_list_blocks",
            ("HEAD", ""): "_read",
            ("PUT", ""): "_put",
            ("PUT", "block"): "_put_block",
            ("PUT", "blocklist"): "_commit",
            ("DELETE", ""): "_remove",
        }[self.command, query.get("comp", "")]
        getattr(self, name)(key, query)

    def _met(self, key: str) -> bool:
        """Whether the conditions are met; if not, the request is refused."""
        there = self.store.objects.get(key)
        match = self.headers.get("if-match")
        if not self.store.conditions:
            return True
        if self.headers.get("if-none-match") == "*" and there is not None:
            self._refuse(409, "BlobAlreadyExists")
            return False
        if match is not None and (there is None or match.strip('"') != there.etag):
            self._refuse(412, "ConditionNotMet")
            return False
        return True

    def _list(self, _: str, query: dict[str, str]) -> None:
        keys = [key for key in sorted(self.store.objects) if key.startswith(query.get("prefix", ""))]
        keys = [key for key in keys if key > query.get("marker", "")]
        page = keys[: self.store.page_size]
        following = page[-1] if len(page) < len(keys) else ""
        rows = "".join(map(self._row, page))
        text = f"<EnumerationResults><Blobs>{rows}</Blobs><NextMarker>{escape(following)}</NextMarker>"
        self.answer(200, f'\ufeff<?xml version="1.0" encoding="utf-8"?>{text}</EnumerationResults>')

    def _row(self, key: str) -> str:
        stored = self.store.objects[key]
        return (
            f"<Blob><Name>{escape(key)}</Name><Properties><Last-Modified>{RECENTLY}</Last-Modified>"
            f"<Etag>{stored.etag}</Etag><Content-Length>{len(stored.body)}</Content-Length></Properties></Blob>"
        )

    def _read(self, key: str, _: dict[str, str]) -> None:
        stored = self.store.objects.get(key)
        if stored is None:
            self._refuse(404, "BlobNotFound")
            return
        if not self._met(key):
            return
        fields = {"ETag": f'"{stored.etag}"', "Last-Modified": RECENTLY, **stored.fields}
        body, status = stored.body, 200
        if found := re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("range", "")):
            first, last = int(found[1]), min(int(found[2]), len(body) - 1)
            fields["Content-Range"], status = f"bytes {first}-{last}/{len(body)}", 206
            body = body[first : last + 1]
        self.answer(status, body, fields)

    def _put(self, key: str, _: dict[str, str]) -> None:
        if source := self.headers.get("x-ms-copy-source"):
            place = f"/{self.store.account}/{self.store.bucket}/"
            found = self.store.objects.get(unquote(urlsplit(source).path).removeprefix(place))
            if found is None:
                self._refuse(404, "CannotVerifyCopySource")
                return
            fields = {**self._write(key, found.body, dict(found.fields)), "x-ms-copy-status": "success"}
            self.answer(202, "", fields)
        elif self._met(key):
            assert self.headers["x-ms-blob-type"] == "BlockBlob"
            fields = self._write(key, self.body, self._metadata())
            self.answer(201, "", {**fields, **self._sum()})

    def _write(self, key: str, body: bytes, fields: dict[str, str]) -> dict[str, str]:
        """A blob that is written loses its blocks. Each version has an ETag of its own."""
        etag = f"0x8D{next(self.store.ids):013X}"
        self.store.objects[key] = Stored(body, etag, fields)
        self.store.uploads.pop(key, None)
        return {"ETag": f'"{etag}"', "Last-Modified": RECENTLY}

    def _sum(self) -> dict[str, str]:
        return {} if self.fault == "wrong-sum" else {"Content-MD5": _md5(self.body)}

    def _metadata(self) -> dict[str, str]:
        return {name: value for name, value in self.headers.items() if name.lower().startswith("x-ms-meta-")}

    def _put_block(self, key: str, query: dict[str, str]) -> None:
        blocks = self.store.uploads.setdefault(key, Blocks(key))
        if any(len(one) != len(query["blockid"]) for one in blocks.parts):
            self._refuse(400, "InvalidBlobOrBlock")
            return
        blocks.parts[query["blockid"]] = self.body
        self.answer(201, "", self._sum())

    def _list_blocks(self, key: str, query: dict[str, str]) -> None:
        assert query["blocklisttype"] == "uncommitted"
        blocks = self.store.uploads.get(key)
        if blocks is None and key not in self.store.objects:
            self._refuse(404, "BlobNotFound")
            return
        rows = "".join(
            f"<Block><Name>{name}</Name><Size>{len(body)}</Size></Block>"
            for name, body in (blocks.parts.items() if blocks else ())
        )
        self.answer(200, f"<BlockList><UncommittedBlocks>{rows}</UncommittedBlocks></BlockList>")

    def _commit(self, key: str, _: dict[str, str]) -> None:
        if not self._met(key):
            return
        named = re.findall(r"<Uncommitted>([^<]*)</Uncommitted>", self.body.decode())
        there = self.store.uploads.get(key, Blocks(key)).parts
        if not named or any(name not in there for name in named):
            self._refuse(400, "InvalidBlockList")
            return
        fields = self._write(key, b"".join(there[name] for name in named), self._metadata())
        self.answer(201, "", fields)

    def _remove(self, key: str, _: dict[str, str]) -> None:
        if self.store.objects.pop(key, None) is None:
            self._refuse(404, "BlobNotFound")
        else:
            self.answer(202)


class AzureServer(ObjectServer):
    """See `ObjectServer`. `uploads` are the blocks that are not committed, by key."""

    handler = _Handler
    digest_field = "x-ms-meta-mlhub_sha256"

    def __init__(self, *, account: str = "table", **about: Any) -> None:
        super().__init__(**about)
        self.account = account

    @property
    def dest(self) -> str:
        return f"az://{self.account}/{self.bucket}"


def _md5(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body).digest()).decode()


def _error(code: str) -> Any:
    return f'\ufeff<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code></Error>'
