"""How a program is run under strace."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

CALLS = (
    "openat,close,write,pwrite64,lseek,ftruncate,fsync,fdatasync,rename,renameat,renameat2,"
    "link,linkat,unlink,unlinkat,mkdir,mkdirat,rmdir"
)


def can_trace() -> bool:
    known = shutil.which("strace")
    return bool(known) and subprocess.run([str(known), "-o", os.devnull, "true"], check=False).returncode == 0


def strace(trace: Path) -> list[str]:
    """The words that run a program so that `recorded.Disk.replay` can read what it did."""
    return ["strace", "-f", "-xx", "-s", str(1 << 24), "-o", str(trace), "-e", f"trace={CALLS}"]
