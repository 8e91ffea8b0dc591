"""Runs of the engine by fork, one per line of standard input: quick, and each may be killed in earnest.

A line is JSON: `url`, `dest`, `if_exists`, and `die`: SIGKILL comes instead of that call of `os` among all
that change the disk (0: never). Answers with the exit code, or -9. No wait between tries, chance repeats.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from typing import Any

from launch import MUTANTS

from mlhub_async import MlhubError, Options, RetryPolicy, mirror

CHANGES = ("open", "write", "rename", "replace", "fsync", "unlink", "ftruncate", "mkdir", "link")


def die_at(number: int) -> None:
    left = [number]

    def counted(call: Any) -> Any:
        def called(*words: Any, **more: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*words, **more)

        return called

    for name in CHANGES:
        setattr(os, name, counted(getattr(os, name)))


async def run(job: dict[str, Any]) -> int:
    options = Options(
        concurrency=3,
        retry=RetryPolicy(attempts=5, base=0),
        if_exists=job["if_exists"],
        headers=(("X-Secret", job["secret"]),),
    )
    try:
        return (await mirror(job["url"], job["dest"], options)).exit_code
    except MlhubError as error:
        return error.exit_code


def main() -> None:
    MUTANTS[sys.argv[1]]()
    for line in sys.stdin:
        job = json.loads(line)
        if (child := os.fork()) == 0:
            random.seed(1)
            die_at(job["die"])
            os._exit(asyncio.run(run(job)))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
