"""File systems of a test's own. Where the system lets it have none, the test is skipped."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted(place: Path, options: str = "size=50%") -> Iterator[Path]:
    """A file system in memory at `place`, a directory that is made if it is not there."""
    place.mkdir(parents=True, exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", options, "none", str(place)]
    if shutil.which("mount") is None or subprocess.run(words, check=False, capture_output=True).returncode:
        pytest.skip("no right to mount a file system")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def remount(place: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", place], check=True)


@contextmanager
def formatted(place: Path, kind: str, size: str = "400M") -> Iterator[Path]:
    """A file system of another kind, such as "xfs" or "btrfs", in a file beside `place`, mounted there."""
    place.mkdir(parents=True, exist_ok=True)
    image = place.with_name(f"{place.name}.img")
    commands = (
        ["truncate", "-s", size, str(image)],
        [f"mkfs.{kind}", "-q", str(image)],
        ["mount", "-o", "loop", str(image), str(place)],
    )
    for words in commands:
        if (
            shutil.which(words[0]) is None
            or subprocess.run(words, check=False, capture_output=True).returncode
        ):
            pytest.skip(f"no file system of the kind {kind} can be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)
        image.unlink()
