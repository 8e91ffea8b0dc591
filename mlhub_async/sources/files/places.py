"""What a SOURCE of files names: an object store, a data hub or a record. Read from its text alone.

Each place opens its listing. Only the module of the service that is used is imported.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from ...core import urls
from ...core.errors import TransferError, UsageError
from ...core.secret import Secret
from ...core.urls import StoreAddress, StoreEndpoints
from ..items.streams import RawReader
from .listing import FileListing
from .paths import KeyGlob, split_glob

SOURCE_COOP = "https://data.source.coop"
MLHUB_ACCOUNT, MLHUB_CONTAINER = "radiantearth", "mlhub"
_data_set = re.compile(
    r"(?P<id>[^/@]+/[^/@]+|[^/@]+)(?:@(?P<revision>[^/]+))?(?:/(?P<folder>.*))?", re.DOTALL
).fullmatch
_data_set_page = re.compile(
    r"/datasets/(?P<id>[^/]+/[^/]+?)(?:/tree/(?P<revision>[^/]+)(?:/(?P<folder>.*))?)?/?", re.DOTALL
).fullmatch
_record_path = re.compile(r"/(?:api/)?records?/([A-Za-z0-9.-]+)/?").fullmatch
_zenodo_doi = re.compile(r"10\.5281/zenodo\.(\d+)", re.IGNORECASE).fullmatch
_figshare_doi = re.compile(r"10\.\d+/m9\.figshare\.(\d+)(?:\.v\d+)?", re.IGNORECASE).fullmatch
_figshare_path = re.compile(r"(?:/articles/.*?|/v2/articles)/(\d+)(?:/\d+)?/?").fullmatch
_DATAVERSES = {"10.7910/dvn/": "https://dataverse.harvard.edu"}


class Place(Protocol):
    """`url`: what the user named, for the origin that keys belong to. `token`: a key for that origin."""

    @property
    def url(self) -> str: ...

    @property
    def token(self) -> Secret: ...

    @property
    def glob(self) -> KeyGlob | None: ...

    def open(self, reader: RawReader) -> FileListing: ...


@dataclass(frozen=True, slots=True)
class StorePlace:
    """A prefix in a bucket or container."""

    address: StoreAddress
    endpoint: str = ""
    glob: KeyGlob | None = None
    token: Secret = field(default_factory=lambda: Secret(""))

    @property
    def url(self) -> str:
        return self.address.url(self.endpoint)

    def open(self, reader: RawReader) -> FileListing:
        if self.address.service == urls.S3:
            from .stores.s3 import S3Listing

            return S3Listing(reader, self.address, self.endpoint)
        if self.address.service == urls.AZURE:
            from .stores.azure import AzureListing

            return AzureListing(reader, self.address, self.endpoint)
        from .stores.google import GoogleListing

        return GoogleListing(reader, self.address, self.endpoint)


@dataclass(frozen=True, slots=True)
class DataSetPlace:
    """A data set of a Hugging Face hub, or a folder in it."""

    hub: str
    id: str
    revision: str = "main"
    folder: str = ""
    glob: KeyGlob | None = None
    token: Secret = field(default_factory=lambda: Secret(""))

    @property
    def url(self) -> str:
        return f"{self.hub}/datasets/{self.id}"

    def open(self, reader: RawReader) -> FileListing:
        from .hubs.hugging_face import DataSetListing

        return DataSetListing(
            reader, self.hub, self.id, self.revision, self.folder, has_token=bool(self.token)
        )


@dataclass(frozen=True, slots=True)
class RecordPlace:
    """A record of Zenodo or another InvenioRDM, of figshare or of a Dataverse; `url` is that of its JSON."""

    kind: str
    url: str
    id: str
    glob: KeyGlob | None = None
    token: Secret = field(default_factory=lambda: Secret(""))

    def open(self, reader: RawReader) -> FileListing:
        if self.kind == "figshare":
            from .hubs.figshare import FigshareListing

            return FigshareListing(reader, self.url, self.id)
        if self.kind == "dataverse":
            from .hubs.dataverse import DataverseListing

            return DataverseListing(reader, self.url, self.id)
        from .hubs.invenio import InvenioListing

        return InvenioListing(reader, self.url, self.id)


Token = Callable[[], str]
"""The key for the hub, "" without one: it is looked up only where the hub is asked."""


def place_of(text: str, endpoints: StoreEndpoints, hub: str, token: Token) -> Place | None:
    """The place that a SOURCE names, None where it names none of these. Raises `UsageError`."""
    if urls.is_store_address(text):
        return _in_store(text, endpoints)
    scheme, _, rest = text.partition(":")
    match scheme.lower():
        case "source.coop":
            return _of_account(rest)
        case "mlhub-azure":
            key, glob = split_glob(rest.lstrip("/"))
            address = StoreAddress(urls.AZURE, MLHUB_CONTAINER, key, MLHUB_ACCOUNT)
            return StorePlace(address, endpoints.azure, glob)
        case "hf":
            return _data_set_of(text, hub, token)
        case "zenodo":
            return _record(f"https://zenodo.org/api/records/{_number(rest, text)}")
        case "figshare":
            return _figshare(_number(rest, text))
        case "doi":
            return _of_doi(rest)
        case _ if re.match(r"10\.\d+/", text):
            return _of_doi(text)
    return _of_page(text, hub, token)


def _in_store(text: str, endpoints: StoreEndpoints) -> StorePlace:
    try:
        address = urls.store_address(text)
    except TransferError as error:
        raise UsageError(f"SOURCE: {error.message}") from None
    key, glob = split_glob(address.key)
    return StorePlace(address._replace(key=key), endpoints.of(address.service), glob)


def _of_account(rest: str) -> StorePlace:
    """A product of Source Cooperative: its accounts are buckets to those who list them."""
    account, _, product = rest.strip("/").partition("/")
    if not account or not product:
        raise UsageError(f"SOURCE source.coop:{urls.term_safe(rest)}: write it as source.coop:ORG/PRODUCT")
    key, glob = split_glob(product)
    return StorePlace(StoreAddress(urls.S3, account, key), SOURCE_COOP, glob)


def _data_set_of(text: str, hub: str, token: Token) -> DataSetPlace:
    kind, _, rest = text.partition("://")[2].partition("/")
    found = _data_set(rest.strip("/"))
    if kind != "datasets" or found is None:
        raise UsageError(
            f"SOURCE {urls.redacted(text)}: write it as hf://datasets/ORG/NAME[@REVISION][/FOLDER]; "
            "models and spaces are not read"
        )
    folder, glob = split_glob(found["folder"] or "")
    return DataSetPlace(hub, found["id"], unquote(found["revision"] or "main"), folder, glob, Secret(token()))


def _number(rest: str, text: str) -> str:
    if not re.fullmatch(r"\d{1,12}", rest, re.ASCII):
        raise UsageError(f"SOURCE {urls.term_safe(text)}: write the number of the record after the colon")
    return rest


def _record(url: str) -> RecordPlace:
    return RecordPlace("invenio", url, url.rpartition("/")[2])


def _figshare(number: str, root: str = "https://api.figshare.com") -> RecordPlace:
    return RecordPlace("figshare", f"{root}/v2/articles/{number}", number)


def _dataverse(root: str, doi: str) -> RecordPlace:
    url = f"{root}/api/datasets/:persistentId/?persistentId={doi}"
    return RecordPlace("dataverse", url, doi.rpartition("/")[2])


def _of_doi(doi: str) -> RecordPlace:
    doi = doi.strip()
    if found := _zenodo_doi(doi):
        return _record(f"https://zenodo.org/api/records/{found[1]}")
    if found := _figshare_doi(doi):
        return _figshare(found[1])
    for prefix, root in _DATAVERSES.items():
        if doi.lower().startswith(prefix):
            return _dataverse(root, f"doi:{doi}")
    raise UsageError(
        f"SOURCE doi:{urls.term_safe(doi)}: the DOIs of Zenodo, figshare and Harvard Dataverse are known; "
        "of another one give the address of its record"
    )


def _of_page(text: str, hub: str, token: Token) -> Place | None:
    """The place whose page for people a URL is. Raises `UsageError` for a Google Drive."""
    split = urlsplit(text)
    root, host = f"{split.scheme}://{split.netloc}", split.hostname or ""
    if host in ("drive.google.com", "drive.usercontent.google.com", "docs.google.com"):
        raise UsageError(
            f"SOURCE {urls.redacted(text)}: Google Drive is not read, as it has no digests, and quotas and "
            "pages in place of files; look for a copy of the data set on Hugging Face (hf://datasets/...)"
        )
    if host in ("doi.org", "dx.doi.org", "www.doi.org"):
        return _of_doi(unquote(split.path[1:]))
    if root in (hub, "https://huggingface.co") and (found := _data_set_page(split.path)):
        folder, glob = split_glob(unquote(found["folder"] or ""))
        revision = unquote(found["revision"] or "main")
        return DataSetPlace(hub, found["id"], revision, folder, glob, Secret(token()))
    if not split.query and (record := _record_path(split.path)):
        return _record(f"{root}/api/records/{record[1]}")
    if host == "figshare.com" or host.endswith(".figshare.com") or split.path.startswith("/v2/articles/"):
        article = _figshare_path(split.path)
        is_api = split.path.startswith("/v2/")
        return _figshare(article[1], *([root] if is_api else [])) if article else None
    doi = parse_qs(split.query).get("persistentId", [""])[0]
    return _dataverse(root, doi) if doi and split.path.rpartition("/")[2] in ("dataset.xhtml", "") else None
