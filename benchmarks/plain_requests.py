"""Copies the files of LIST to DEST as the official MLHub client did: a session per file, 1 KiB at a time.

LIST has a URL, a tab and a path below DEST in each line. No digests, no partial files, no retries.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import requests

WORKERS = 8
CHUNK_BYTES = 1024


def copy(dest: Path, trust: str | bool, line: str) -> None:
    url, path = line.split("\t")
    target = dest / path
    target.parent.mkdir(parents=True, exist_ok=True)
    with requests.Session() as session, session.get(url, stream=True, verify=trust) as response:
        response.raise_for_status()
        with target.open("wb") as file:
            for chunk in response.iter_content(CHUNK_BYTES):
                file.write(chunk)


def main(listing: Path, dest: Path, trust: str | bool) -> None:
    with ThreadPoolExecutor(WORKERS) as pool:
        for _ in pool.map(partial(copy, dest, trust), listing.read_text().splitlines()):
            pass


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else True)
