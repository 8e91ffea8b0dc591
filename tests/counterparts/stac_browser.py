"""Opens a label of a mirror in STAC Browser, follows it to its source, and looks at what Chromium shows.

    npm pack @radiantearth/stac-browser && tar xf radiantearth-stac-browser-*.tgz
    cd package && npm install && npm install ol-stac@1.1.0
    npx vue-cli-service build --noSourceMaps --historyMode=hash; cd ..
    apt-get install chromium
    python tests/counterparts/stac_browser.py package/dist screenshots

Makes a mirror of the demo, serves it by `mlhub-async serve` and STAC Browser beside it, both on loopback, and
writes label.png and source.png. Exits with 1 if a page shows no item, leads out of the copy, or has an error
on its console.
"""

from __future__ import annotations

import asyncio
import base64
import functools
import http.server
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp

SECONDS = 120
"""Until a page shows what it should."""
NOT_OF_THE_COPY = ["https://*", "*/favicon.ico"]
"""The tiles of the background map, and what the package of STAC Browser lacks: one white pixel."""
PIXEL = b"GIF89a\1\0\1\0\x80\0\0\xff\xff\xff\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"
EMPTY = {
    "responseCode": 200,
    "responseHeaders": [{"name": "Access-Control-Allow-Origin", "value": "*"}],
    "body": base64.b64encode(PIXEL).decode(),
}
TRY = """const timer = setInterval(() => {
  const value = (EXPRESSION); if (value) { clearInterval(timer); done(value) } }, 200)"""


class WithCors(http.server.SimpleHTTPRequestHandler):
    def end_headers(self) -> None:
        self.send_header("Access-Control-Allow-Origin", "*")
        super().end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    handler = functools.partial(WithCors, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def served_mirror(copy: Path) -> Iterator[str]:
    """Host and port of `mlhub-async serve`, which gives the files their CORS headers."""
    command = [sys.executable, "-m", "mlhub_async", "serve", str(copy), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout is not None
            yield program.stdout.readline().partition("http://")[2].partition("/")[0]
        finally:
            program.terminate()


class Page:
    """A page of Chromium by its DevTools protocol. `errors` are those of its console, and failed requests."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0
        self.errors: list[str] = []
        self.urls: list[str] = []

    async def call(self, method: str, **parameters: Any) -> Any:
        self._number = number = self._number + 1
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while (said := await self._socket.receive_json(timeout=SECONDS)).get("id") != number:
            await self._note(said.get("method"), said.get("params", {}))
        return said["result"]

    async def _note(self, event: str | None, about: dict[str, Any]) -> None:
        if event == "Fetch.requestPaused":
            self._number += 1
            told = {"requestId": about["requestId"], **EMPTY}
            await self._socket.send_json(
                {"id": self._number, "method": "Fetch.fulfillRequest", "params": told}
            )
        if event == "Network.requestWillBeSent":
            self.urls.append(about["request"]["url"])
        if event == "Runtime.exceptionThrown" or about.get("type") == "error":
            self.errors.append(json.dumps(about)[:400])
        if event == "Log.entryAdded" and about["entry"]["level"] == "error":
            self.errors.append(json.dumps(about["entry"])[:400])

    async def value(self, expression: str) -> Any:
        """The value of an expression of JavaScript, or of the promise that it is."""
        found = await self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        return found["result"].get("value")

    async def until(self, expression: str) -> Any:
        """The value of an expression as soon as it is true."""
        async with asyncio.timeout(SECONDS):
            return await self.value(f"new Promise(done => {{ {TRY.replace('EXPRESSION', expression)} }})")

    async def picture(self) -> bytes:
        await self.value("new Promise(done => setTimeout(done, 3000))")  # tiles of the map, thumbnails
        return base64.b64decode((await self.call("Page.captureScreenshot"))["data"])


@contextmanager
def chromium(folder: str) -> Iterator[str]:
    """Yields the port of its DevTools."""
    argv = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
    argv += ["--window-size=1280,1600", f"--user-data-dir={folder}", "about:blank"]
    browser = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
    try:
        assert browser.stderr is not None
        line = next(line for line in browser.stderr if "DevTools listening on" in line)
        yield line.partition("127.0.0.1:")[2].partition("/")[0]
    finally:
        browser.terminate()
        browser.wait(30)


async def look(port: str, browser: str, copy: str, label: str, pictures: dict[str, bytes]) -> bool:
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{port}/json") as answer:
            [target, *_] = [one for one in await answer.json() if one["type"] == "page"]
        async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
            page = Page(socket)
            for domain in ("Page", "Runtime", "Log", "Network"):
                await page.call(f"{domain}.enable")
            await page.call("Fetch.enable", patterns=[{"urlPattern": one} for one in NOT_OF_THE_COPY])
            await page.call("Page.navigate", url=f"http://{browser}/#/external/http:/{copy}/{label}")
            link = "[...document.querySelectorAll('main a, #stac-browser a')].find(a => /{}/.test(a.href))"
            source = link.format("_source.*\\.json")
            where = await page.until(f"({source} || {{}}).href")
            pictures["label"] = await page.picture()
            print("label shown, links to", where)
            await page.value(f"{source}.click()")
            title = await page.until(
                "/_source/.test(location.href) && document.querySelector('h1').innerText"
            )
            await page.until("document.querySelectorAll('.asset, [id^=asset]').length")
            pictures["source"] = await page.picture()
            print("source shown:", title, await page.value("location.href"))
            print("errors on the console:", page.errors or "none")
            outside = {url for url in page.urls if url.startswith("http") and f"//{copy}/" not in url}
            outside = {url for url in outside if f"//{browser}/" not in url and "//tile." not in url}
            print("requests to other places:", sorted(outside) or "none")
            return not page.errors and not outside


def main(dist: Path, folder: Path) -> int:
    folder.mkdir(exist_ok=True)
    pictures: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary, "copy")
        subprocess.run(["mlhub-async", "demo", copy, "--items", "2", "-q"], check=True)
        label = min(copy.glob("*_labels/*/*.json")).relative_to(copy).as_posix()
        with (
            served(dist) as browser,
            served_mirror(copy) as catalogue,
            chromium(f"{temporary}/chromium") as port,
        ):
            is_right = asyncio.run(look(port, browser, catalogue, label, pictures))
    for name, picture in pictures.items():
        (folder / f"{name}.png").write_bytes(picture)
    return not is_right


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
