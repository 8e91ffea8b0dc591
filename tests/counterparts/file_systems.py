"""What `selftest` predicts and what happens on file systems of other projects; writes docs/file-systems.md.

    apt-get install btrfs-progs exfat-fuse exfatprogs ntfs-3g gocryptfs encfs sshfs openssh-sftp-server \
        bindfs mergerfs fuse-overlayfs rclone fuse3
    PYTHONPATH=tests python tests/counterparts/file_systems.py [NAME ...]

Each is mounted in a temporary folder, as root. What is not installed, or not to be mounted, is skipped.
"""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import subprocess
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from mlhub_async.cli.selftest.crash_trials import kill, start_mirror, wait_until
from mlhub_async.cli.selftest.loopback import COLLECTION, SelftestSite, find_damage, serve

PAGE = Path(__file__).parents[2] / "docs/file-systems.md"
ASSETS = 96
IMAGE_BYTES = 2 << 30
"""of a sparse file"""
KILLED_AFTER = 30
"""Requests for assets after which a run is killed."""
HANG_SECONDS = 120
LISTS = ("| --- ", "| file system ")
"""How the lines of the table begin that are not a file system's."""


class NotHereError(Exception):
    """The file system is not installed, or cannot be mounted here."""


class FileSystem(NamedTuple):
    """One that can be mounted: by `mount(folder, place)`, which is given a folder of its own to use.

    `prepare(dest)` makes something odd of a DEST before the first run.
    """

    programs: str
    mount: Callable[[Path, Path], None]
    prepare: Callable[[Path], None] | None = None


def run(words: str, **more: str | Path) -> None:
    """Run a command; `{name}` in it are single words. Raises `NotHereError` if it fails."""
    given = [word.format(**more) for word in words.split()]
    try:
        ended = subprocess.run(
            given, check=False, capture_output=True, text=True, timeout=HANG_SECONDS, stdin=subprocess.DEVNULL
        )
    except OSError as error:
        raise NotHereError(f"{given[0]}: {error.strerror}") from None
    if ended.returncode:
        said = (ended.stderr or ended.stdout).strip().split("\n")
        raise NotHereError(f"{given[0]}: {said[-1]}")


def commands(*lines: str) -> Callable[[Path, Path], None]:
    """Mounts by commands in which `{own}` is the folder and `{place}` where to mount."""

    def mount(own: Path, place: Path) -> None:
        for line in lines:
            run(line, own=own, place=place)

    return mount


def image(*lines: str) -> Callable[[Path, Path], None]:
    """The same with `{own}/image`, an empty file of some size."""

    def mount(own: Path, place: Path) -> None:
        with open(own / "image", "wb") as file:
            file.truncate(IMAGE_BYTES)
        commands(*lines)(own, place)

    return mount


def exfat(own: Path, place: Path) -> None:
    """Of the files that exfat-fuse mounts none may be an ordinary one."""
    image("mkfs.exfat {own}/image", "losetup -f {own}/image")(own, place)
    run("mount.exfat-fuse {device} {place}", device=loop_device(own), place=place)


def loop_device(own: Path) -> str:
    """ "" if there is none."""
    words = ["losetup", "-n", "-O", "NAME", "-j", own / "image"]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def encfs(own: Path, place: Path) -> None:
    words = ["encfs", "--standard", "--stdinpass", f"{own}/a", str(place)]
    subprocess.run(words, input=b"password\n", check=True, capture_output=True, timeout=HANG_SECONDS)


def sshfs(own: Path, place: Path) -> None:
    """The server is started by sshfs itself, in place of ssh."""
    program = own / "ssh"
    program.write_text("#!/bin/sh\nexec /usr/lib/openssh/sftp-server\n")
    program.chmod(0o755)
    run("sshfs -o ssh_command={program} there:{own}/a {place}", program=program, own=own, place=place)


def rclone(mode: str) -> FileSystem:
    line = "rclone mount --config /dev/null --cache-dir {own}/cache --daemon --vfs-cache-mode " + mode
    return FileSystem("rclone fusermount3", commands(line + " {own}/a {place}"))


def subvolume(dest: Path) -> None:
    run("btrfs subvolume create {folder}", folder=dest / COLLECTION)


def mount_point(dest: Path) -> None:
    (dest / COLLECTION).mkdir()
    run("mount -t tmpfs none {folder}", folder=dest / COLLECTION)


EXT4 = image("mkfs.ext4 -q {own}/image", "mount -o loop {own}/image {place}")
BTRFS = image("mkfs.btrfs -q {own}/image", "mount -o loop {own}/image {place}")
NTFS = "mkfs.ntfs -F -Q -q {own}/image"
OVERLAY = "fuse-overlayfs -o lowerdir={own}/a,upperdir={own}/b,workdir={own}/c {place}"
GOCRYPTFS = ("gocryptfs -q -init -extpass hostname {own}/a", "gocryptfs -q -extpass hostname {own}/a {place}")
FILE_SYSTEMS = {
    "tmpfs": FileSystem("mount", commands("mount -t tmpfs -o size=2G none {place}")),
    "ext4": FileSystem("mkfs.ext4", EXT4),
    "ext4, a collection is a mount point": FileSystem("mkfs.ext4", EXT4, mount_point),
    "btrfs": FileSystem("mkfs.btrfs", BTRFS),
    "btrfs, a collection is a subvolume": FileSystem("mkfs.btrfs", BTRFS, subvolume),
    "exfat-fuse": FileSystem("mkfs.exfat mount.exfat-fuse losetup", exfat),
    "ntfs-3g": FileSystem("mkfs.ntfs ntfs-3g", image(NTFS, "ntfs-3g {own}/image {place}")),
    "lowntfs-3g, case ignored": FileSystem(
        "mkfs.ntfs lowntfs-3g", image(NTFS, "lowntfs-3g -o ignore_case {own}/image {place}")
    ),
    "gocryptfs": FileSystem("gocryptfs", commands(*GOCRYPTFS)),
    "encfs": FileSystem("encfs", encfs),
    "sshfs": FileSystem("sshfs /usr/lib/openssh/sftp-server", sshfs),
    "bindfs": FileSystem("bindfs", commands("bindfs {own}/a {place}")),
    "mergerfs": FileSystem("mergerfs", commands("mergerfs {own}/a:{own}/b {place}")),
    "fuse-overlayfs": FileSystem("fuse-overlayfs", commands(OVERLAY)),
    **{f"rclone mount, cache {mode}": rclone(mode) for mode in ("off", "minimal", "writes", "full")},
}


@contextmanager
def mounted(name: str) -> Iterator[Path]:
    """The folder where a file system is mounted. Raises `NotHereError`."""
    kind = FILE_SYSTEMS[name]
    if missing := [one for one in kind.programs.split() if shutil.which(one) is None]:
        raise NotHereError(f"{missing[0]} is not installed")
    own = Path(tempfile.mkdtemp(prefix="mlhub-file-system-"))
    for folder in ("a", "b", "c", "place"):
        (own / folder).mkdir()
    place = own / "place"
    try:
        kind.mount(own, place)
        if not place.is_mount():
            raise NotHereError("it is not mounted")
        yield place
    finally:
        for _ in range(3):  # what is mounted inside of it, and a second time over it
            for inner in (*place.glob(f"*/{COLLECTION}"), place):
                if inner.is_mount():
                    subprocess.run(["umount", inner], check=False, capture_output=True)
        if place.is_mount():
            subprocess.run(["umount", "-l", place], check=False, capture_output=True)
        if (own / "image").exists() and (device := loop_device(own)):
            subprocess.run(["losetup", "-d", device], check=False, capture_output=True)
        shutil.rmtree(own, ignore_errors=True)


class Result(NamedTuple):
    """What `selftest` said of a file system, and what happened there."""

    exit_code: int
    verdicts: dict[str, str]
    mirror: int
    damage: str
    asked_again: int
    resumed: int
    resumed_damage: str
    verified: int

    @property
    def warnings(self) -> list[str]:
        return [name for name, verdict in self.verdicts.items() if verdict == "warning"]

    @property
    def failures(self) -> list[str]:
        return [name for name, verdict in self.verdicts.items() if verdict == "failed"]

    @property
    def works(self) -> bool:
        return not (self.mirror or self.resumed or self.verified or self.damage or self.resumed_damage)

    @property
    def as_predicted(self) -> bool:
        """Where `selftest` fails no run has to work, but none may end in 0 with a wrong file."""
        if self.exit_code:
            return bool(self.mirror or not self.damage) and bool(self.resumed or not self.resumed_damage)
        return self.works and bool(self.asked_again) <= ("the same command again" in self.warnings)

    def row(self, name: str) -> str:
        selftest = f"fails: {', '.join(self.failures)}" if self.failures else "ok"
        if self.warnings:
            selftest += f"; warns: {', '.join(self.warnings)}"
        again = f"{self.asked_again} assets asked for"
        cells = [selftest, _told(self.mirror, self.damage), again]
        cells += [_told(self.resumed, self.resumed_damage), f"exit {self.verified}"]
        return f"| {name} | {' | '.join(cells)} |" + ("" if self.as_predicted else " **not as predicted**")


def _told(code: int, damage: str) -> str:
    return f"exit {code}, " + (damage or "whole")


async def ended(*words: str | Path) -> tuple[int, str]:
    """Exit code and stdout of a run of the program."""
    given = [sys.executable, "-m", "mlhub_async", *map(str, words)]
    child = await asyncio.create_subprocess_exec(*given, stdout=PIPE, stderr=DEVNULL)
    out, _ = await asyncio.wait_for(child.communicate(), HANG_SECONDS)
    return child.returncode or 0, out.decode()


async def try_out(name: str) -> Result:
    """Mount a file system and make all runs there. Raises `NotHereError`."""
    with mounted(name) as place:
        code, out = await ended("selftest", place, "--kills", "1", "--json")
        rows = [json.loads(line) for line in out.splitlines()]
        verdicts = {row["check"]: row["verdict"] for row in rows if row["event"] == "check"}
        async with serve() as site:
            prepare = FILE_SYSTEMS[name].prepare
            first = await _mirror_twice(site, _dest(place / "first", prepare))
            second = await _kill_and_resume(site, _dest(place / "second", prepare))
        return Result(code, verdicts, *first, *second)


def _dest(path: Path, prepare: Callable[[Path], None] | None) -> Path:
    if prepare is not None:
        path.mkdir()
        prepare(path)
    return path


async def _mirror_twice(site: SelftestSite, dest: Path) -> tuple[int, str, int]:
    source = site.catalogue("many", ASSETS)
    code, _ = await ended("mirror", source, dest, "-q")
    damage = find_damage(dest, "many", ASSETS, complete=True)
    before = site.asset_requests
    await ended("mirror", source, dest, "-q")
    return code, damage, site.asset_requests - before


async def _kill_and_resume(site: SelftestSite, dest: Path) -> tuple[int, str, int]:
    source, goal = site.catalogue("many", ASSETS), site.asset_requests + KILLED_AFTER
    async with start_mirror(source, dest) as child:
        await wait_until(child, lambda: site.asset_requests >= goal)
        await kill(child)
    code, _ = await ended("mirror", source, dest, "-q")
    damage = find_damage(dest, "many", ASSETS, complete=True)
    verified, _ = await ended("verify", dest, "-q")
    return code, damage, verified


def main(names: list[str]) -> int:
    """Print the table; without names also write it into the page."""
    logging.getLogger("aiohttp.server").disabled = True  # it tells of clients that were killed
    rows, wrong = [], 0
    for name in names or FILE_SYSTEMS:
        try:
            result = asyncio.run(try_out(name))
        except NotHereError as reason:
            print(f"{name}: skipped, {reason}", file=sys.stderr)
            continue
        wrong += not result.as_predicted
        rows.append(result.row(name))
        print(rows[-1], flush=True)
    if not names:
        page = PAGE.read_text().split("\n")
        start = next(number for number, line in enumerate(page) if line.startswith(LISTS[0])) + 1
        end = next(number for number, line in enumerate(page) if number >= start and not line.startswith("|"))
        PAGE.write_text("\n".join([*page[:start], *rows, *page[end:]]))
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
