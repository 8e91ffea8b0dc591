"""The snippets of README.md and docs/, and the hosts that they name, on loopback."""

from __future__ import annotations

import asyncio
import io
import re
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from mlhub_async import blocking
from mlhub_async.core.options import Options
from mlhub_async.demo import Site as Demo
from mlhub_async.demo import serve
from support.azure_server import AzureServer
from support.google_server import GoogleServer
from support.hubs import Hub, publish_record
from support.object_stores import S3Bucket
from support.s3_server import S3Server
from support.server import Background, Site, tif
from support.stac_server import Api, stac_item

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
FENCED = re.compile(r"^( *)```([\w-]*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
NAME = re.compile(r"(?:https://)?((?:[\w-]+\.)*[\w-]+\.example)\b")
FILES = {
    f"{kind}/{kind}_{number}_B0{band}.tif": tif(9000 + band, number)
    for kind in ("forest", "river")
    for number in (1, 2)
    for band in (2, 3)
} | {f"{kind}/{kind}_{n}_mask.tif": tif(9000, n) for kind in ("forest", "river") for n in (1, 2)}


class Snippet(NamedTuple):
    """A fenced block of a page."""

    page: str
    language: str
    text: str

    @property
    def first_line(self) -> str:
        return self.text.split("\n", 1)[0]


def snippets(path: Path) -> list[Snippet]:
    """The fenced blocks of a page, in their order."""
    found = FENCED.findall(path.read_text("utf-8"))
    name = path.relative_to(ROOT).as_posix()
    return [Snippet(name, language, re.sub(f"(?m)^{indent}", "", text)) for indent, language, text in found]


@dataclass
class Hosts:
    """The hosts under `.example`, and the variables that lead to services which no URL names."""

    origins: dict[str, str] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)
    mlhub: dict[str, str] = field(default_factory=dict)

    def mapped(self, text: str) -> str:
        """Text with the addresses of these hosts in the place of their names."""

        def address(found: re.Match[str]) -> str:
            origin = self.origins.get(found[1])
            if origin is None:
                return found[0]
            return origin if found[0].startswith("https://") else origin.partition("://")[2]

        return NAME.sub(address, text)


@contextmanager
def hosts(folder: Path) -> Iterator[Hosts]:
    """Serves every host that the documentation names."""
    azure_server = AzureServer(bucket="my-container", account="myaccount")
    with (
        Background() as sites,
        sample() as demo,
        S3Server(bucket="my-bucket") as s3,
        azure_server as azure,
        GoogleServer(bucket="my-bucket") as google,
    ):
        blocking.mirror(demo.root, folder / "sample", Options(api_key=demo.key)).raise_for_failures()
        static = sites.site()
        for path in sorted((folder / "sample").rglob("*")):
            name = path.relative_to(folder / "sample").as_posix()
            if path.is_file() and not name.startswith(".mlhub"):
                kind = "application/json" if path.suffix == ".json" else ""
                static.put(f"/{name}", path.read_bytes(), **({"content_type": kind} if kind else {}))
        api, earthdata, other = sites.site(), sites.site(), sites.site()
        Api(api, list(scenes(api, "sentinel-2-l2a")), root="/v1")
        Api(earthdata, list(scenes(earthdata, "HLSL30.v2.0")), root="/stac/LPCLOUD")
        other.put("/kenya.zip", zipped(FILES), etag='"1"')
        other.put("/labels.tif", tif(20_000))
        Hub(other, other, "torchgeo/eurosat", FILES)
        S3Bucket(other, "bucket.example", {f"scenes/{name}": body for name, body in FILES.items()})
        S3Bucket(
            other, "spacenet-dataset", {f"spacenet/SN1_buildings/tarballs/{n}": b for n, b in FILES.items()}
        )
        publish_record(other, {"readme.txt": b"A record\n", "chips.zip": zipped(FILES)})
        found = Hosts()
        found.origins |= {"stac.example": static.origin, "earth-search.example": api.origin}
        found.origins |= {"cmr.earthdata.example": earthdata.origin}
        found.origins |= {"archive.example": other.origin, "zenodo.example": other.origin}
        found.origins |= {"s3.example": s3.url, "azure.example": azure.url, "google.example": google.url}
        found.environ |= {"HF_ENDPOINT": other.origin, "AWS_ENDPOINT_URL": other.origin}
        found.mlhub |= {"MLHUB_ROOT_URL": demo.root, "MLHUB_API_KEY": demo.key}
        yield found


def scenes(site: Site, collection: str) -> Iterator[dict[str, Any]]:
    """Items in June 2024 near 36.5 E, 1.5 S, one of them under clouds."""
    for number, cover in enumerate((2, 5, 60)):
        name = f"scene_{number}"
        item = stac_item(name, collection, red=site.put(f"/{collection}/{name}.tif", tif(20_000, number)))
        item["geometry"] = {"type": "Point", "coordinates": [36.5, -1.5]}
        item["bbox"] = [36.5, -1.5, 36.5, -1.5]
        item["properties"] |= {"datetime": f"2024-06-0{number + 1}T08:00:00Z", "eo:cloud_cover": cover}
        yield item


def zipped(files: Mapping[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, body in files.items():
            archive.writestr(f"kenya/{name}", body)
    return target.getvalue()


@contextmanager
def sample() -> Iterator[Demo]:
    """The sample catalogue, served in a thread."""
    ready, loop = threading.Event(), asyncio.new_event_loop()
    ended, sites = asyncio.Event(), list[Demo]()

    async def run() -> None:
        async with serve() as site:
            sites.append(site)
            ready.set()
            await ended.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()), name="sample")
    thread.start()
    assert ready.wait(60)
    try:
        yield sites[0]
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()
