"""Copies the files of LIST to DEST with parfive in the simplest way; LIST as for plain_aiohttp.py."""

from __future__ import annotations

import sys
from pathlib import Path

import parfive

CONNECTIONS = 64


def main(listing: Path, dest: Path) -> int:
    downloader = parfive.Downloader(max_conn=CONNECTIONS, progress=False)
    for line in listing.read_text().splitlines():
        url, path = line.split("\t")
        target = dest / path
        downloader.enqueue_file(url, path=target.parent, filename=target.name)
    return 1 if downloader.download().errors else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
