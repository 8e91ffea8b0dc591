"""Runs the snippets of one page in the current folder, in their order, as one session.

    python run_snippets.py < snippets.json      [{"language": "sh", "text": "..."}, ...]

Shell snippets run under bash, with `set -eu`, and have to end with exit code 0. Python snippets share one
namespace and may await, as in a notebook. One whose first line is a comment with the name of a file is saved
there beforehand, and not run.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

SAVED = re.compile(r"# (~/)?([\w./-]+\.(?:py|toml))\n")


async def main(snippets: list[dict[str, str]]) -> None:
    for snippet in snippets:
        if found := SAVED.match(snippet["text"]):
            save(Path.home() / found[2] if found[1] else Path(found[2]), snippet["text"])
    running: list[asyncio.subprocess.Process] = []
    try:
        await run(snippets, running)
    finally:
        for process in running:
            process.terminate()
            await process.wait()


async def run(snippets: list[dict[str, str]], running: list[asyncio.subprocess.Process]) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    for number, snippet in enumerate(snippets, 1):
        language, text = snippet["language"], snippet["text"]
        print(f"--- snippet {number} of {len(snippets)}\n{text}", flush=True)
        if SAVED.match(text):
            continue
        elif port := snippet.get("port"):
            running.append(await started(text, int(port)))
        elif language == "sh":
            key = os.environ.get("MLHUB_API_KEY", "") + "\n"  # for who asks for one
            await asyncio.to_thread(subprocess.run, ["bash", "-euc", text], input=key.encode(), check=True)
        else:
            code = compile(text, f"snippet {number}", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            result = eval(code, names)
            if inspect.isawaitable(result):
                await result


async def started(text: str, port: int) -> asyncio.subprocess.Process:
    """A program that serves until it is ended, once it answers at this port."""
    process = await asyncio.create_subprocess_exec("bash", "-euc", f"exec {text}")
    while not await answers(port):
        assert process.returncode is None, "it has ended"
        await asyncio.sleep(0.05)
    return process


async def answers(port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HEAD / HTTP/1.0\r\nHost: localhost\r\n\r\n")
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    except OSError:
        return False
    return answer.startswith(b"HTTP/")


def save(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


if __name__ == "__main__":
    asyncio.run(main(json.load(sys.stdin)))
