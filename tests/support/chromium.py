"""Chromium without a window, by its DevTools protocol: opens pages, moves the mouse, presses keys, looks."""

from __future__ import annotations

import asyncio
import base64
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

SECONDS = 100
"""Until a page shows what it should, on whatever machine."""
ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
    "--window-size=1280,1600",
    "--disable-background-networking",
    "--no-first-run",
]
SERIOUS = """axe.run(document).then(found => found.violations
  .filter(one => ['serious', 'critical'].includes(one.impact))
  .map(one => one.id + ': ' + one.nodes.map(node => node.html).slice(0, 3).join(' ')))"""
KEYS = {"Tab": 9, "Enter": 13}


class Page:
    """A tab. `errors` are those of its console and scripts; `urls` of all its requests."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0
        self.errors: list[str] = []
        self.urls: list[str] = []

    async def call(self, method: str, **parameters: Any) -> Any:
        """A call of the protocol; fails with its error."""
        self._number = number = self._number + 1
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while (said := await self._socket.receive_json(timeout=SECONDS)).get("id") != number:
            self._note(said.get("method"), said.get("params", {}))
        assert "error" not in said, said
        return said["result"]

    def _note(self, event: str | None, about: dict[str, Any]) -> None:
        if event == "Network.requestWillBeSent":
            self.urls.append(about["request"]["url"])
        if event == "Runtime.exceptionThrown":
            self.errors.append(str(about)[:500])
        if event == "Runtime.consoleAPICalled" and about["type"] in ("error", "warning"):
            self.errors.append(str(about)[:500])
        if event == "Log.entryAdded" and about["entry"]["level"] in ("error", "warning"):
            self.errors.append(str(about["entry"])[:500])

    async def value(self, expression: str) -> Any:
        """The value of an expression of JavaScript, or of the promise that it is."""
        found = await self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def until(self, expression: str) -> Any:
        """The value of an expression as soon as it is true, also in a page that comes meanwhile."""
        async with asyncio.timeout(SECONDS):
            while True:
                with suppress(AssertionError):  # the page is being replaced
                    if found := await self.value(f"document.readyState === 'complete' && ({expression})"):
                        return found
                await asyncio.sleep(0.05)

    async def open(self, url: str) -> None:
        """Open a page, and wait until it and its pictures are there."""
        await self.call("Page.navigate", url=url)
        await self.until("location.href !== 'about:blank'")

    async def click(self, selector: str) -> None:
        """Click with the mouse in the middle of the first element, and wait for the page that it leads to."""
        place = f"document.querySelector({selector!r})"
        await self.until(place + " !== null")
        await self.value(f"{place}.scrollIntoView({{block: 'center'}})")
        x, y = await self.value(
            f"(({{left, top, width, height}}) => [left + width / 2, top + height / 2])"
            f"({place}.getClientRects()[0])"
        )
        await self._leaves(
            [
                (
                    "Input.dispatchMouseEvent",
                    {"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1},
                )
                for kind in ("mousePressed", "mouseReleased")
            ]
        )

    async def press(self, key: str, *, leads_away: bool = False) -> None:
        """Press a key of `KEYS`; `leads_away`: and wait for the page that it leads to."""
        about = {"key": key, "code": key, "windowsVirtualKeyCode": KEYS[key]}
        text = {"text": "\r"} if key == "Enter" else {}
        calls = [
            ("Input.dispatchKeyEvent", {"type": "keyDown", **about, **text}),
            ("Input.dispatchKeyEvent", {"type": "keyUp", **about}),
        ]
        if leads_away:
            await self._leaves(calls)
        else:
            for method, parameters in calls:
                await self.call(method, **parameters)

    async def _leaves(self, calls: list[tuple[str, dict[str, Any]]]) -> None:
        await self.value("window.isOld = true")
        for method, parameters in calls:
            await self.call(method, **parameters)
        await self.until("!window.isOld")

    async def focus_by_keyboard(self, expression: str, most: int = 200) -> None:
        """Press Tab until the expression is true; `focused` in it is the element that has the focus."""
        for _ in range(most):
            await self.press("Tab")
            if await self.value(f"(focused => {expression})(document.activeElement)"):
                return
        raise AssertionError(f"no element by keyboard: {expression}")

    async def pictures_loaded(self) -> int:
        """How many images there are, once each has been decoded."""
        await self.value(
            "Promise.all([...document.images].map(one => { one.loading = 'eager'; return one.decode() }))"
        )
        return int(await self.value("document.images.length"))

    async def set_colours(self, colours: str, media: str = "screen") -> None:
        """`colours`: light or dark."""
        features = [{"name": "prefers-color-scheme", "value": colours}]
        await self.call("Emulation.setEmulatedMedia", media=media, features=features)

    async def serious_findings(self) -> list[str]:
        """Of axe-core, whose file AXE_CORE names; the test is skipped where there is none."""
        await self.value(axe_core() + "; 0")
        return list(await self.value(SERIOUS))

    async def screenshot(self) -> bytes:
        """A PNG of the whole page."""
        shot = await self.call("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(shot["data"])


def axe_core() -> str:
    """The script of axe-core."""
    source = Path(os.environ.get("AXE_CORE", ""))
    if not source.is_file():
        pytest.skip("axe-core is not here: npm pack axe-core, and name its axe.min.js in AXE_CORE")
    return source.read_text()


@asynccontextmanager
async def browser_page(folder: Path) -> AsyncIterator[Page]:
    """A tab of a new browser with its profile in `folder`; the test is skipped where there is no Chromium."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("Chromium is not installed")
    process = await asyncio.create_subprocess_exec(
        program,
        *ARGUMENTS,
        f"--user-data-dir={folder}",
        "about:blank",
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    reading: asyncio.Task[None] | None = None
    try:
        assert process.stderr is not None
        while b"DevTools listening on" not in (line := await process.stderr.readline()):
            assert line, "Chromium does not start"
        reading = asyncio.create_task(_discard(process.stderr))
        port = line.decode().partition("127.0.0.1:")[2].partition("/")[0]
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json") as answer:
                [target, *_] = [one for one in await answer.json() if one["type"] == "page"]
            async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                page = Page(socket)
                for domain in ("Page", "Runtime", "Log", "Network"):
                    await page.call(f"{domain}.enable")
                yield page
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        if reading is not None:
            await reading


async def _discard(stream: asyncio.StreamReader) -> None:
    while await stream.read(65_536):
        pass
