"""`report`: writes one self-contained page of HTML about a mirror."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ....api.pages.report_html import report_html
from ....core.errors import StorageError, UsageError
from ....core.options.output_file import output_file
from ....core.telemetry import Events
from ....engine.verify.outputs import refuse_mirror_file
from ....storage.layout import REPORT_FILE, in_state
from ...terminal.console import Console
from ...terminal.output import check_stdout, print_lines

STDOUT = "-"


def run_report(dest: str, output: str | None, console: Console) -> int:
    """Write the report of `dest`, and print where it is. `output`: a file, "-" for stdout, None: below DEST.

    Raises `UsageError` if there is no mirror, or for a file of one as output, `StorageError` if one of both
    places refuses.
    """
    if output == STDOUT and console.as_json:
        raise UsageError("-o - and --json both write to stdout: leave one of them out")
    page = report_html(Path(dest)).encode()
    if output == STDOUT:
        with check_stdout():
            sys.stdout.buffer.write(page)
            sys.stdout.buffer.flush()
        return 0
    if output is not None:
        refuse_mirror_file(output, "-o")
    path = output or os.path.join(dest, in_state(REPORT_FILE))
    try:
        with output_file(path) as file:
            file.write(page)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}; give another file with -o") from None
    if console.as_json:
        Events(console.emit).emit("summary", path=path, bytes=len(page), exit_code=0)
    else:
        print_lines([path])
    return 0
