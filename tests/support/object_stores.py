"""Object stores on a scripted site: objects by key, and listings as S3, Azure and Google document them.

    bucket = S3Bucket(site, "bucket", {"a/b.tif": tif(300)})
    bucket.url                       # for --endpoint-url: s3://bucket is there

https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html,
https://learn.microsoft.com/rest/api/storageservices/list-blobs,
https://cloud.google.com/storage/docs/json_api/v1/objects/list (read 2026-11).
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, quote, quote_plus
from xml.sax.saxutils import escape

from mlhub_async.core.urls import quoted_key
from support.server import Site
from support.wire_format import Reply, Seen

DATE = "2024-05-06T07:08:09.000Z"


def etag_of(body: bytes) -> str:
    return f'"{hashlib.md5(body).hexdigest()}"'


class Bucket:
    """Objects under one path of a site, and their listing in pages of `page_size` keys."""

    def __init__(
        self,
        site: Site,
        name: str,
        objects: Mapping[str, bytes],
        *,
        page_size: int = 1000,
        tiers: Mapping[str, str] | None = None,
    ) -> None:
        self.site, self.name, self.page_size, self.tiers = site, name, page_size, dict(tiers or {})
        self.objects: dict[str, bytes] = {}
        self.url = site.origin
        for key, body in objects.items():
            self.put(key, body)
        site.route(self.listing_path, self.answer)

    @property
    def path(self) -> str:
        return f"/{self.name}"

    @property
    def listing_path(self) -> str:
        return self.path

    def put(self, key: str, body: bytes, **about: Any) -> None:
        self.objects[key] = body
        self.site.put(f"{self.path}/{quoted_key(key)}", body, etag=etag_of(body), **about)

    def page(
        self, prefix: str, token: str, delimiter: str = "", after: str = ""
    ) -> tuple[list[str], list[str], str]:
        """The keys and folders of one page in the order of UTF-8, and the token of the next one."""
        entries: dict[str, None] = {}
        for key in sorted((key for key in self.objects if key.startswith(prefix)), key=str.encode):
            cut = key.find("/", len(prefix)) if delimiter else -1
            entries[key if cut < 0 else key[: cut + 1]] = None
        after = max(after, bytes.fromhex(token).decode(), key=str.encode)
        listed = [one for one in entries if one.encode() > after.encode()]
        page = listed[: self.page_size]
        folders = [one for one in page if delimiter and one.endswith("/") and one != prefix]
        keys = [one for one in page if one not in folders]
        return keys, folders, page[-1].encode().hex() if len(page) < len(listed) else ""

    def answer(self, seen: Seen) -> Reply:
        raise NotImplementedError


class S3Bucket(Bucket):
    def answer(self, seen: Seen) -> Reply:
        query = {name: values[0] for name, values in parse_qs(seen.query).items()}
        assert query["list-type"] == "2" and query["encoding-type"] == "url"
        keys, folders, following = self.page(
            query.get("prefix", ""),
            query.get("continuation-token", ""),
            query.get("delimiter", ""),
            query.get("start-after", ""),
        )
        rows = "".join(map(self._row, keys))
        named = (quote_plus(one, safe="/") for one in folders)
        rows += "".join(f"<CommonPrefixes><Prefix>{one}</Prefix></CommonPrefixes>" for one in named)
        more = f"<NextContinuationToken>{following}</NextContinuationToken>" if following else ""
        text = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{self.name}</Name><EncodingType>url</EncodingType>"
            f"<IsTruncated>{'true' if following else 'false'}</IsTruncated>{rows}{more}</ListBucketResult>"
        )
        return Reply(200, [("Content-Type", "application/xml")], text.encode())

    def _row(self, key: str) -> str:
        body = self.objects[key]
        return (
            f"<Contents><Key>{quote_plus(key, safe='/')}</Key><LastModified>{DATE}</LastModified>"
            f"<ETag>{escape(etag_of(body), {chr(34): '&quot;'})}</ETag><Size>{len(body)}</Size>"
            f"<StorageClass>{self.tiers.get(key, 'STANDARD')}</StorageClass></Contents>"
        )


class AzureContainer(Bucket):
    """`name` is account and container."""

    def answer(self, seen: Seen) -> Reply:
        query = {name: values[0] for name, values in parse_qs(seen.query).items()}
        assert query["comp"] == "list" and seen.headers["x-ms-version"] >= "2021-06-08"
        keys, folders, following = self.page(
            query.get("prefix", ""), query.get("marker", ""), query.get("delimiter", "")
        )
        rows = "".join(map(self._row, keys))
        rows += "".join(f"<BlobPrefix><Name>{escape(one)}</Name></BlobPrefix>" for one in folders)
        text = (
            '\ufeff<?xml version="1.0" encoding="utf-8"?><EnumerationResults><Blobs>'
            f"<Blob><Name>folder</Name><Properties><ResourceType>directory</ResourceType>"
            f"<Content-Length>0</Content-Length></Properties></Blob>{rows}</Blobs>"
            f"<NextMarker>{following}</NextMarker></EnumerationResults>"
        )
        return Reply(200, [("Content-Type", "application/xml")], text.encode())

    def _row(self, key: str) -> str:
        body = self.objects[key]
        md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
        name = escape(key) if key.isprintable() else quote(key)
        encoded = "" if key.isprintable() else ' Encoded="true"'
        return (
            f"<Blob><Name{encoded}>{name}</Name><Properties><Last-Modified>Mon, 06 May 2024 07:08:09 GMT"
            f"</Last-Modified><Etag>0x8D</Etag><Content-Length>{len(body)}</Content-Length>"
            f"<Content-MD5>{md5}</Content-MD5><AccessTier>{self.tiers.get(key, 'Hot')}</AccessTier>"
            "</Properties></Blob>"
        )


class GoogleBucket(Bucket):
    @property
    def listing_path(self) -> str:
        return f"/storage/v1/b/{self.name}/o"

    def answer(self, seen: Seen) -> Reply:
        query = {name: values[0] for name, values in parse_qs(seen.query).items()}
        keys, folders, following = self.page(
            query.get("prefix", ""),
            query.get("pageToken", ""),
            query.get("delimiter", ""),
            query.get("startOffset", ""),
        )
        listed = [self._row(key) for key in keys]
        body = {
            "items": listed,
            **({"prefixes": folders} if folders else {}),
            **({"nextPageToken": following} if following else {}),
        }
        return Reply(200, [("Content-Type", "application/json")], json.dumps(body).encode())

    def _row(self, key: str) -> dict[str, str]:
        body = self.objects[key]
        md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
        return {"name": key, "size": str(len(body)), "etag": "CJ=", "md5Hash": md5, "updated": DATE}
