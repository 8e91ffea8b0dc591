"""What a SOURCE of files names: an object store, a data hub or a record. Read from its text alone.

Each place opens its listing. Only the module of the service that is used is imported.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qs, quote, unquote, urlsplit

from ...core import urls
from ...core.errors import TransferError, UsageError
from ...core.urls import StoreAddress, StoreEndpoints
from ..items.streams import RawReader
from .listing import FileListing
from .paths import KeyGlob, last_component, split_glob

SOURCE_COOP = "https://data.source.coop"
MLHUB_ACCOUNT, MLHUB_CONTAINER = "radiantearth", "mlhub"
_REVISION = r"refs/convert/[^/]+|refs/pr/\d+|[^/]+"
"""Of a data set: those that the hub makes itself have slashes in their names, all others may have none."""
_has_query = re.compile(r"[^?]*\?[^/=]*=", re.DOTALL).match
"""Of an address of a hub, which has none. A "?" without a "=" behind it is one of a glob."""
_data_set = re.compile(
    rf"(?P<id>[^/@]+/[^/@]+|[^/@]+)(?:@(?P<revision>{_REVISION}))?(?:/(?P<folder>.*))?", re.DOTALL
).fullmatch
_data_set_page = re.compile(
    r"/datasets/(?P<id>[^/]+/(?!(?:tree|blob|resolve|viewer)(?:/|\Z))[^/]+|[^/]+)"
    rf"(?:/(?:tree|blob|resolve)/(?P<revision>{_REVISION})(?:/(?P<folder>.*))?|/viewer(?:/.*)?)?/?",
    re.DOTALL,
).fullmatch
_record_path = re.compile(r"/(?:api/)?records?/([A-Za-z0-9.-]+)/?").fullmatch
_zenodo_doi = re.compile(r"10\.5281/zenodo\.(\d+)", re.IGNORECASE).fullmatch
_figshare_doi = re.compile(r"10\.\d+/m9\.figshare\.(\d+)(?:\.v(\d+))?", re.IGNORECASE).fullmatch
_figshare_path = re.compile(r"/articles/(?:[^/]+/){0,2}?(\d+)(?:/(\d{1,3}))?/?").fullmatch
_figshare_api = re.compile(r"/v2/articles/(\d+)(?:/versions/(\d+))?/?").fullmatch
_DATAVERSES = {"10.7910/dvn/": "https://dataverse.harvard.edu"}


class Place(Protocol):
    """`url`: what the user named, for the origin that keys belong to."""

    @property
    def url(self) -> str: ...

    @property
    def glob(self) -> KeyGlob | None: ...

    def open(self, reader: RawReader) -> FileListing: ...


@dataclass(frozen=True, slots=True)
class StorePlace:
    """A prefix in a bucket or container."""

    address: StoreAddress
    endpoint: str = ""
    glob: KeyGlob | None = None

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
class FolderPlace:
    """A folder on this machine."""

    folder: Path
    glob: KeyGlob | None = None

    @property
    def url(self) -> str:
        return urls.from_path(self.folder)

    def open(self, reader: RawReader) -> FileListing:
        from .stores.local_folder import FolderListing

        return FolderListing(self.folder)


@dataclass(frozen=True, slots=True)
class DataSetPlace:
    """A data set of a Hugging Face hub, or a folder in it."""

    hub: str
    id: str
    revision: str = "main"
    folder: str = ""
    glob: KeyGlob | None = None
    has_token: bool = False

    @property
    def url(self) -> str:
        """That of the file where it may be one."""
        root = f"{self.hub}/datasets/{self.id}"
        if self.glob is not None or "." not in last_component(self.folder):
            return root
        return f"{root}/resolve/{quote(self.revision, safe='')}/{urls.quoted_key(self.folder.strip('/'))}"

    def open(self, reader: RawReader) -> FileListing:
        from .hubs.hugging_face import DataSetListing

        return DataSetListing(reader, self.hub, self.id, self.revision, self.folder, has_token=self.has_token)


@dataclass(frozen=True, slots=True)
class RecordPlace:
    """A record of Zenodo or another InvenioRDM, of figshare or of a Dataverse; `url` is that of its JSON."""

    kind: str
    url: str
    id: str
    glob: KeyGlob | None = None

    def open(self, reader: RawReader) -> FileListing:
        if self.kind == "figshare":
            from .hubs.figshare import FigshareListing

            return FigshareListing(reader, self.url, self.id)
        if self.kind == "dataverse":
            from .hubs.dataverse import DataverseListing

            return DataverseListing(reader, self.url, self.id)
        from .hubs.invenio import InvenioListing

        return InvenioListing(reader, self.url, self.id)


HasToken = Callable[[], bool]
"""Whether there is a key for the hub: it is looked up only where the hub is asked."""


def place_of(text: str, endpoints: StoreEndpoints, hub: str, has_token: HasToken) -> Place | None:
    """The place that a SOURCE names, None where it names none of these. Raises `UsageError`."""
    if urls.is_store_address(text):
        return _in_store(text, endpoints)
    scheme, _, rest = text.partition(":")
    match scheme.lower():
        case "source.coop":
            return _of_account(rest, endpoints.source_cooperative or SOURCE_COOP)
        case "mlhub-azure":
            key, glob = split_glob(rest.lstrip("/"))
            address = StoreAddress(urls.AZURE, MLHUB_CONTAINER, key, MLHUB_ACCOUNT)
            return StorePlace(address, endpoints.azure, glob)
        case "hf":
            return _data_set_of(text, hub, has_token)
        case "zenodo":
            return _record(f"https://zenodo.org/api/records/{_number(rest, text)}")
        case "figshare":
            return _figshare(_number(rest, text))
        case "doi":
            return _of_doi(rest)
        case _ if re.match(r"10\.\d+/", text):
            return _of_doi(text)
    return _of_page(text, hub, has_token)


def _in_store(text: str, endpoints: StoreEndpoints) -> StorePlace:
    try:
        address = urls.store_address(text)
    except TransferError as error:
        raise UsageError(f"SOURCE: {error.message}") from None
    key, glob = split_glob(address.key)
    return StorePlace(address._replace(key=key), endpoints.of(address.service), glob)


def _of_account(rest: str, endpoint: str) -> StorePlace:
    """A product of Source Cooperative: its accounts are buckets to those who list them."""
    account, _, product = rest.strip("/").partition("/")
    if not account or not product:
        raise UsageError(f"SOURCE source.coop:{urls.redacted(rest)}: write it as source.coop:ORG/PRODUCT")
    key, glob = split_glob(product)
    return StorePlace(StoreAddress(urls.S3, account, key), endpoint, glob)


def _data_set_of(text: str, hub: str, has_token: HasToken) -> DataSetPlace:
    kind, _, rest = text.partition("://")[2].partition("/")
    if _has_query(text):
        raise UsageError(
            f"SOURCE {urls.redacted(text)}: leave out what follows the '?'; HF_TOKEN is for keys"
        )
    found = _data_set(rest.strip("/"))
    if kind != "datasets" or found is None:
        raise UsageError(
            f"SOURCE {urls.redacted(text)}: write it as hf://datasets/ORG/NAME[@REVISION][/FOLDER]; "
            "models and spaces are not read"
        )
    folder, glob = split_glob(found["folder"] or "")
    return DataSetPlace(hub, found["id"], unquote(found["revision"] or "main"), folder, glob, has_token())


def _number(rest: str, text: str) -> str:
    if not re.fullmatch(r"\d{1,12}", rest, re.ASCII):
        raise UsageError(f"SOURCE {urls.redacted(text)}: write the number of the record after the colon")
    return rest


def _record(url: str) -> RecordPlace:
    return RecordPlace("invenio", url, url.rpartition("/")[2])


def _figshare(number: str, version: str | None = None, root: str = "https://api.figshare.com") -> RecordPlace:
    one = f"/versions/{version}" if version else ""
    return RecordPlace("figshare", f"{root}/v2/articles/{number}{one}", number)


def _dataverse(root: str, doi: str, version: str = "") -> RecordPlace:
    one = f"versions/{quote(version, safe=':')}" if version else ""
    url = f"{root}/api/datasets/:persistentId/{one}?persistentId={doi}"
    return RecordPlace("dataverse", url, doi.rpartition("/")[2])


def _of_doi(doi: str) -> RecordPlace:
    doi = doi.strip()
    if found := _zenodo_doi(doi):
        return _record(f"https://zenodo.org/api/records/{found[1]}")
    if found := _figshare_doi(doi):
        return _figshare(found[1], found[2])
    for prefix, root in _DATAVERSES.items():
        if doi.lower().startswith(prefix):
            return _dataverse(root, f"doi:{doi}")
    raise UsageError(
        f"SOURCE doi:{urls.redacted(doi)}: the DOIs of Zenodo, figshare and Harvard Dataverse are known; "
        "of another one give the address of its record"
    )


def _of_page(text: str, hub: str, has_token: HasToken) -> Place | None:
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
    if host == "zenodo.org" and split.path.startswith("/doi/"):
        return _of_doi(unquote(split.path[5:]))
    if root in (hub, "https://huggingface.co", "https://hf.co") and (found := _data_set_page(split.path)):
        folder, glob = split_glob(unquote(found["folder"] or ""))
        revision = unquote(found["revision"] or "main")
        return DataSetPlace(hub, found["id"], revision, folder, glob, has_token())
    if (not split.query or host == "zenodo.org") and (record := _record_path(split.path)):
        return _record(f"{root}/api/records/{record[1]}")
    if host == "figshare.com" or host.endswith(".figshare.com") or split.path.startswith("/v2/articles/"):
        if article := _figshare_api(split.path):
            return _figshare(article[1], article[2], root)
        article = _figshare_path(split.path)
        return _figshare(article[1], article[2]) if article else None
    asked = {name: values[0] for name, values in parse_qs(split.query).items()}
    is_page = split.path.rpartition("/")[2] in ("dataset.xhtml", "citation", "")
    if not is_page or "persistentId" not in asked:
        return None
    return _dataverse(root, asked["persistentId"], asked.get("version", ""))
