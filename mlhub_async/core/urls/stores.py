"""Addresses of objects in object stores (`s3://bucket/key`, `gs://`, `az://`, `abfs://`), and their URLs.

The key in such an address is literal: `%41`, `?` and `#` in it are characters of the key, and nothing of it
is resolved (`a//b`, `a/../b`). In a URL it is percent-encoded.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import parse_qsl, quote

from ..errors import TransferError
from .redaction import is_secret, redacted

S3, GOOGLE, AZURE = "s3", "gs", "az"
"""The services, by the scheme that names them."""
_SERVICES = {"s3": S3, "s3a": S3, "gs": GOOGLE, "az": AZURE, "azure": AZURE, "abfs": AZURE, "abfss": AZURE}
_store_scheme = re.compile(r"(s3a?|gs|az|azure|abfss?)://", re.IGNORECASE).match
_is_bucket = re.compile(r"[A-Za-z0-9$][A-Za-z0-9._$-]{0,221}", re.ASCII).fullmatch
_is_account = re.compile(r"[a-z0-9]{3,24}", re.ASCII).fullmatch
_is_region = re.compile(r"[a-z0-9-]{1,40}", re.ASCII).fullmatch
_account_host = re.compile(r"([a-z0-9]{3,24})\.(?:dfs|blob)\.core\.windows\.net", re.ASCII).fullmatch
_amazon = re.compile(r"https://((?:[a-z0-9-]+\.)*?)s3(?:[.-][a-z0-9-]+)?\.amazonaws\.com/", re.ASCII).match
_DOT_SEGMENT = re.compile(r"(?<![^/])\.{1,2}(?![^/])")


class StoreEndpoints(NamedTuple):
    """The base URLs to use in place of the services' own, "" for these. Buckets are folders there."""

    s3: str = ""
    google: str = ""
    azure: str = ""
    source_cooperative: str = ""

    def of(self, service: str) -> str:
        return {S3: self.s3, GOOGLE: self.google, AZURE: self.azure}[service]


class StoreAddress(NamedTuple):
    """One object, or the prefix of the keys of several. `account` is that of Azure, "" elsewhere."""

    service: str
    bucket: str
    key: str
    account: str = ""
    region: str = ""

    def bucket_url(self, endpoint: str = "") -> str:
        """The URL of the bucket, ending in a slash. A bucket with a dot in its name has no host of its own:
        the certificate of the service is not for such names."""
        if self.service == AZURE:
            own = f"https://{self.account}.blob.core.windows.net"
            return f"{f'{endpoint}/{self.account}' if endpoint else own}/{self.bucket}/"
        if endpoint:
            return f"{endpoint}/{self.bucket}/"
        if self.service == GOOGLE:
            return f"https://storage.googleapis.com/{self.bucket}/"
        host = f"s3.{self.region}.amazonaws.com" if self.region else "s3.amazonaws.com"
        is_label = re.fullmatch("[a-z0-9-]{1,63}", self.bucket, re.ASCII)
        return f"https://{self.bucket}.{host}/" if is_label else f"https://{host}/{self.bucket}/"

    def url(self, endpoint: str = "") -> str:
        """The URL of the object."""
        return self.bucket_url(endpoint) + quoted_key(self.key)

    def __truediv__(self, path: str) -> StoreAddress:
        """What has this path below the prefix."""
        return self._replace(key=f"{self.key.removesuffix('/')}/{path}" if self.key else path)

    def __str__(self) -> str:
        host = f"{self.account}/{self.bucket}" if self.account else self.bucket
        return f"{self.service}://{host}/{self.key}"


def is_store_address(href: str) -> bool:
    """Whether a text has the scheme of an object store."""
    return bool(_store_scheme(href))


def quoted_key(key: str) -> str:
    """A key as the path of a URL. Dots that a client or a server would resolve are encoded too."""
    path = quote(key, safe="/~!$&'()*,;=:@", errors="surrogatepass")
    return _DOT_SEGMENT.sub(lambda dots: "%2E" * len(dots[0]), path) if "." in path else path


def store_address(href: str, account: str = "", region: str = "") -> StoreAddress:
    """What an address of an object store names.

    Of Azure there are four forms: `abfs://container@account.dfs.core.windows.net/key`,
    `abfs://container@account/key`, and, with an `account` that is known from elsewhere (fsspec's form),
    `az://container/key`; without one `az://account/container/key`. Raises `TransferError`, also for
    a key that ends in the query of a signed URL: it would be shown as a name.
    """
    found = _store_scheme(href)
    if found is None:
        raise _bad(href, "it is no address of an object store")
    service, rest = _SERVICES[found[1].lower()], href[found.end() :]
    bucket, _, key = rest.partition("/")
    if service == AZURE:
        bucket, account, key = _azure(href, bucket, key, account)
    if not _is_bucket(bucket):
        raise _bad(href, "it names no bucket or container")
    if any(is_secret(name) for name, _ in parse_qsl(key.partition("?")[2])):
        raise _bad(href, "it is signed, which only an https URL can be")
    region = region if service == S3 and _is_region(region) else ""
    return StoreAddress(service, bucket, key, account if service == AZURE else "", region)


def _azure(href: str, container: str, key: str, account: str) -> tuple[str, str, str]:
    """Container, account and key."""
    name, at, host = container.partition("@")
    if at:
        known = _account_host(host.lower())
        container, account = name, known[1] if known else host.lower()
    elif not account:
        account = container
        container, _, key = key.partition("/")
    if not _is_account(account):
        raise _bad(href, "it names no storage account: write az://account/container/key")
    return container, account, key


def at_region(url: str, region: str) -> str:
    """The same object of Amazon S3 by the host of its region; "" for a URL that is not Amazon's, or that has
    this host already."""
    found = _amazon(url)
    if found is None or not _is_region(region):
        return ""
    moved = f"https://{found[1]}s3.{region}.amazonaws.com/{url[found.end() :]}"
    return "" if moved == url else moved


def in_other_region(url: str, moved: str) -> bool:
    """Whether both are the same object of Amazon S3, by the hosts of different regions."""
    first, second = _amazon(url), _amazon(moved)
    if first is None or second is None:
        return False
    return first[1] == second[1] and url[first.end() :] == moved[second.end() :]


def _bad(href: str, reason: str) -> TransferError:
    return TransferError(f"the href cannot be used, {reason}: {redacted(href)}", kind="bad-href")
