"""`verify`: checks a mirror offline and names what is damaged."""

from __future__ import annotations

import os
from collections.abc import Coroutine, Mapping
from functools import partial
from pathlib import Path

from ....core.errors import UsageError
from ....core.options import Options
from ....core.telemetry import Events
from ....core.urls import is_store_address
from ....engine.verify import Verification, verify
from ...terminal.console import Console
from ...terminal.output import BAD, GOOD, print_message


def run_verify(
    dest: str, workers: int | None, console: Console, *, deep: bool, bucket: Mapping[str, str | None]
) -> int:
    """`bucket`: the options for one as DEST."""
    if is_store_address(dest):
        from ....engine.verify.bucket import verify_bucket

        options = Options(endpoint_url=bucket["endpoint_url"], state=bucket["state"])
        return console.run(
            lambda: _verify(
                verify_bucket(dest, options, os.environ, workers=workers, meter=console.meter, deep=deep),
                console,
            )
        )
    refuse_for_directory(bucket)
    verifying = partial(verify, Path(dest), workers=workers, meter=console.meter, deep=deep)
    return console.run(lambda: _verify(verifying(), console))


def refuse_for_directory(bucket: Mapping[str, str | None]) -> None:
    """Raise `UsageError` where options for a bucket are given for a directory."""
    for name, given in bucket.items():
        if given is not None:
            option = name.replace("_", "-")
            raise UsageError(f"--{option} is for a bucket as DEST: leave it out, or give s3://bucket/prefix")


async def _verify(verifying: Coroutine[object, object, Verification], console: Console) -> int:
    found = await console.show_progress(verifying)
    Events(console.emit).emit("summary", **found.as_json())
    lines = list(found.lines())
    damage_lines, closing_lines = lines[: len(found.damage)], lines[len(found.damage) :]
    for line in damage_lines:
        print_message(line)  # also with -q: it is the result of the command
    say = console.say if found.ok or found.damage else console.warn
    for number, line in enumerate(closing_lines):
        say(line, "" if number else GOOD if found.ok else BAD)
    return found.exit_code
