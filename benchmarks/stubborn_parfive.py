"""What a careful user writes with parfive: a timeout, known digests, and its `retry` on what failed.

LIST has in each line a URL, a path below DEST and a digest ("" if none is known), with tabs between them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import aiohttp
import parfive

RETRIES = 10


def main(listing: Path, dest: Path, idle: float) -> int:
    config = parfive.SessionConfig(timeouts=aiohttp.ClientTimeout(total=0, sock_read=idle))
    downloader = parfive.Downloader(progress=False, config=config)
    for line in listing.read_text().splitlines():
        url, path, digest = line.split("\t")
        target = dest / path
        known = f"sha-256={digest}" if digest else None
        downloader.enqueue_file(url, path=target.parent, filename=target.name, checksum=known)
    results = downloader.download()
    for _ in range(RETRIES):
        if not results.errors:
            return 0
        results = downloader.retry(results)
    return 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])))
