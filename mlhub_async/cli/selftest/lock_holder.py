"""A process that tries to take the lock of a mirror: `python -m mlhub_async.cli.selftest.lock_holder FILE`.

Its exit codes are those of a run: 0 if it got the lock, 11 if another process has it, 7 if the file system
has no locks.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ...core.errors import MlhubError
from ...storage.local.destination import RunLock


def main(path: Path) -> int:
    lock = RunLock(path)
    try:
        lock.take()
    except MlhubError as error:
        print(error.message, file=sys.stderr)
        return error.exit_code
    lock.release()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
