"""Copies the files of LIST to DEST with parfive in a careful way: a timeout, digests, repeated attempts.

LIST has in each line a URL, a path below DEST and a digest ("" if none is known), with tabs between them.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import aiohttp
import parfive

ATTEMPTS = 10
PAUSE_SECONDS = 1.0


def main(listing: Path, dest: Path, idle: float) -> int:
    for _ in range(ATTEMPTS):
        if not count_failures(listing, dest, idle):
            return 0
        time.sleep(PAUSE_SECONDS)
    return 1


def count_failures(listing: Path, dest: Path, idle: float) -> int:
    """Fetch what is missing; returns the number of files that failed."""
    config = parfive.SessionConfig(timeouts=aiohttp.ClientTimeout(total=0, sock_read=idle))
    downloader = parfive.Downloader(progress=False, config=config)
    for line in listing.read_text().splitlines():
        url, path, digest = line.split("\t")
        target = dest / path
        known = f"sha-256={digest}" if digest else None
        downloader.enqueue_file(url, path=target.parent, filename=target.name, checksum=known)
    return len(downloader.download().errors)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])))
