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

    def page(self, prefix: str, token: str) -> tuple[list[str], str]:
        """The keys of one page in the order of UTF-8, and the token of the next one."""
        keys = sorted((key for key in self.objects if key.startswith(prefix)), key=str.encode)
        begin = int(token or 0)
        end = begin + self.page_size
        return keys[begin:end], str(end) if end < len(keys) else ""

    def answer(self, seen: Seen) -> Reply:
        raise NotImplementedError


class S3Bucket(Bucket):
    def answer(self, seen: Seen) -> Reply:
        query = {name: values[0] for name, values in parse_qs(seen.query).items()}
        assert query["list-type"] == "2" and query["encoding-type"] == "url"
        keys, following = self.page(query.get("prefix", ""), query.get("continuation-token", ""))
        rows = "".join(map(self._row, keys))
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
        keys, following = self.page(query.get("prefix", ""), query.get("marker", ""))
        rows = "".join(map(self._row, keys))
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
        keys, following = self.page(query.get("prefix", ""), query.get("pageToken", ""))
        listed = [self._row(key) for key in keys]
        body = {"items": listed, **({"nextPageToken": following} if following else {})}
        return Reply(200, [("Content-Type", "application/json")], json.dumps(body).encode())

    def _row(self, key: str) -> dict[str, str]:
        body = self.objects[key]
        md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
        return {"name": key, "size": str(len(body)), "etag": "CJ=", "md5Hash": md5, "updated": DATE}
