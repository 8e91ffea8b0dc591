"""Another process that wants the lock of a mirror: `python -m mlhub_async.cli.selftest.lock_holder FILE`.

Exits as a run would: 0 if the lock was to be had, 11 if another process has it, 7 if there are no locks here.
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
