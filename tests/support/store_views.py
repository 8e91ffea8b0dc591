"""Object stores as another program sees them: keys, bytes, unfinished uploads. And programs that are such.

Each runs on a loopback port with an empty bucket or container:

    with azurite(folder, "azurite-blob") as store:
        store.keys("a/")
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from html import unescape
from http import HTTPStatus
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, unquote_plus

from support.counterparts import reserved_port, running
from support.file_servers import AZURE_ACCOUNT, AZURE_KEY, azure_put

BUCKET = "bucket"
ANSWER_SECONDS = 120
HOUR = 3600
Fields = Mapping[str, str]


class StoreView(Protocol):
    """`environ`: the keys that a run needs. `dest`: DEST without a prefix."""

    @property
    def port(self) -> int: ...

    @property
    def dest(self) -> str: ...

    @property
    def environ(self) -> dict[str, str]: ...

    def keys(self, prefix: str) -> list[str]: ...

    def read(self, key: str) -> tuple[bytes, str]:
        """The bytes of an object, b"" for none, and the SHA-256 that is stored beside it, "" without one."""
        ...

    def put(self, key: str, body: bytes) -> None:
        """Write an object, as another program would."""
        ...

    def uploads(self) -> list[str]:
        """What is unfinished, as far as the store tells that."""
        ...


def ask(
    port: int, method: str, target: str, fields: Fields | None = None, body: bytes | None = None
) -> tuple[bytes, dict[str, str]]:
    """An answer, b"" where there is nothing, and its fields by lower-case name."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
    try:
        connection.request(method, target, body, headers=dict(fields or {}))
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return (b"" if answer.status == HTTPStatus.NOT_FOUND else answer.read()), found
    finally:
        connection.close()


@dataclass(frozen=True)
class S3View:
    """A store with the interface of S3. moto gives objects to those that sign, whatever the signature is."""

    port: int
    dest: str = f"s3://{BUCKET}"
    environ: dict[str, str] = field(
        default_factory=lambda: {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    )

    def ask(self, method: str, target: str, body: bytes | None = None) -> tuple[bytes, dict[str, str]]:
        scope = "Credential=key/20260101/us-east-1/s3/aws4_request"
        signed = f"AWS4-HMAC-SHA256 {scope},SignedHeaders=host,Signature=0"
        return ask(self.port, method, target, {"authorization": signed}, body)

    def keys(self, prefix: str) -> list[str]:
        listed, _ = self.ask("GET", f"/{BUCKET}?list-type=2&encoding-type=url&prefix={prefix}")
        return [unquote_plus(key) for key in re.findall(r"<Key>([^<]*)<", listed.decode())]

    def read(self, key: str) -> tuple[bytes, str]:
        body, fields = self.ask("GET", f"/{BUCKET}/{quote(key)}")
        return body, fields.get("x-amz-meta-mlhub-sha256", "")

    def put(self, key: str, body: bytes) -> None:
        self.ask("PUT", f"/{BUCKET}/{quote(key)}", body)

    def uploads(self) -> list[str]:
        listed, _ = self.ask("GET", f"/{BUCKET}?uploads")
        return re.findall(r"<UploadId>([^<]+)<", listed.decode())


def account_signature(permissions: str = "racwdl") -> str:
    """An account SAS for blobs and containers of `AZURE_ACCOUNT`, of the version 2021-12-02.

    https://learn.microsoft.com/rest/api/storageservices/create-account-sas
    """
    begin, end = (
        time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))
        for seconds in (-HOUR, 24 * HOUR)
    )
    version, kinds, protocols = "2021-12-02", "sco", "https,http"
    said = [AZURE_ACCOUNT, permissions, "b", kinds, begin, end, "", protocols, version, "", ""]
    digest = hmac.new(AZURE_KEY, "\n".join(said).encode(), hashlib.sha256).digest()
    values = {"sv": version, "ss": "b", "srt": kinds, "sp": permissions, "st": begin, "se": end}
    values |= {"spr": protocols, "sig": base64.b64encode(digest).decode()}
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in values.items())


@dataclass(frozen=True)
class AzureView:
    """A container of `AZURE_ACCOUNT`."""

    port: int
    dest: str = f"az://{AZURE_ACCOUNT}/{BUCKET}"
    environ: dict[str, str] = field(
        default_factory=lambda: {
            "AZURE_STORAGE_ACCOUNT": AZURE_ACCOUNT,
            "AZURE_STORAGE_SAS_TOKEN": account_signature(),
        }
    )

    def _ask(self, path: str, query: str = "") -> tuple[bytes, dict[str, str]]:
        signature = self.environ["AZURE_STORAGE_SAS_TOKEN"]
        target = f"/{AZURE_ACCOUNT}/{BUCKET}{path}?{query}&{signature}"
        return ask(self.port, "GET", target, {"x-ms-version": "2021-12-02"})

    def keys(self, prefix: str) -> list[str]:
        return self._listed(f"restype=container&comp=list&prefix={prefix}")

    def _listed(self, query: str) -> list[str]:
        listed, _ = self._ask("", query)
        return [unescape(key) for key in re.findall(r"<Name>([^<]*)<", listed.decode("utf-8-sig"))]

    def read(self, key: str) -> tuple[bytes, str]:
        body, fields = self._ask(f"/{quote(key)}")
        return body, fields.get("x-ms-meta-mlhub_sha256", "")

    def put(self, key: str, body: bytes) -> None:
        azure_put(self.port, f"{BUCKET}/{key}", "", body, {"x-ms-blob-type": "BlockBlob"})

    def uploads(self) -> list[str]:
        """Blobs with blocks that are not committed."""
        keys = self._listed("restype=container&comp=list&include=uncommittedblobs")
        asked = {key: self._ask(f"/{quote(key)}", "comp=blocklist&blocklisttype=uncommitted") for key in keys}
        return [key for key, (found, _) in asked.items() if b"<Block>" in found]


@dataclass(frozen=True)
class GoogleView:
    """A store with the JSON interface of Google, which does not tell of uploads that are unfinished."""

    port: int
    dest: str = f"gs://{BUCKET}"
    environ: dict[str, str] = field(default_factory=dict)

    def _ask(self, query: str) -> tuple[bytes, dict[str, str]]:
        return ask(self.port, "GET", f"/storage/v1/b/{BUCKET}/o{query}")

    def keys(self, prefix: str) -> list[str]:
        listed, _ = self._ask(f"?prefix={quote(prefix, safe='')}")
        return [one["name"] for one in json.loads(listed).get("items", [])]

    def read(self, key: str) -> tuple[bytes, str]:
        about, _ = self._ask(f"/{quote(key, safe='')}")
        body, _ = self._ask(f"/{quote(key, safe='')}?alt=media")
        metadata = json.loads(about).get("metadata") or {} if about else {}
        return body, metadata.get("mlhub-sha256", "")

    def put(self, key: str, body: bytes) -> None:
        place = f"/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name={quote(key, safe='')}"
        ask(self.port, "POST", place, {"content-type": "application/octet-stream"}, body)

    def uploads(self) -> list[str]:
        return []


@contextmanager
def moto(folder: Path, program: str) -> Iterator[StoreView]:
    with (
        reserved_port() as port,
        running([program, "-H", "127.0.0.1", "-p", port], port, folder / "moto.log"),
    ):
        store = S3View(port)
        store.ask("PUT", f"/{BUCKET}")
        yield store


@contextmanager
def rclone(folder: Path, program: str) -> Iterator[StoreView]:
    """`rclone serve s3` of a folder."""
    (folder / "root" / BUCKET).mkdir(parents=True)
    with reserved_port() as port:
        argv = [program, "serve", "s3", "--addr", f"127.0.0.1:{port}", folder / "root"]
        with running(argv, port, folder / "rclone.log"):
            yield S3View(port)


@contextmanager
def azurite(folder: Path, program: str) -> Iterator[StoreView]:
    account = f"AZURITE_ACCOUNTS={AZURE_ACCOUNT}:{base64.b64encode(AZURE_KEY).decode()}"
    words = ["--location", folder / "azurite", "--skipApiVersionCheck", "--silent", "--disableTelemetry"]
    with reserved_port() as port:
        argv = ["/usr/bin/env", account, program, "--blobHost", "127.0.0.1", "--blobPort", port, *words]
        with running(argv, port, folder / "azurite.log"):
            azure_put(port, BUCKET, "restype=container", b"", {})
            yield AzureView(port)


@contextmanager
def gcp_storage_emulator(folder: Path, program: str) -> Iterator[StoreView]:
    """It knows no conditional writes."""
    words = ["start", "--host=127.0.0.1", "--in-memory", f"--default-bucket={BUCKET}"]
    with (
        reserved_port() as port,
        running([program, *words, f"--port={port}"], port, folder / "emulator.log"),
    ):
        yield GoogleView(port)


@contextmanager
def fake_gcs_server(folder: Path, program: str) -> Iterator[StoreView]:
    """It makes the object of an unfinished upload when it is asked what it has of that."""
    with reserved_port() as port:
        words = ["-scheme", "http", "-host", "127.0.0.1", "-port", port, "-backend", "memory"]
        with running([program, *words], port, folder / "fake-gcs.log"):
            about = json.dumps({"name": BUCKET}).encode()
            ask(port, "POST", "/storage/v1/b", {"content-type": "application/json"}, about)
            yield GoogleView(port)


Starts = Callable[[Path, str], AbstractContextManager[StoreView]]
STORES: dict[str, Starts] = {
    "moto_server": moto,
    "rclone": rclone,
    "azurite-blob": azurite,
    "gcp-storage-emulator": gcp_storage_emulator,
    "fake-gcs-server": fake_gcs_server,
}
"""By the name of the program."""
LARGE_FILES = {"fake-gcs-server": 0}
"""How many files come in parts in a kill loop, where it is not two."""
