"""The program: `mlhub-async`, and the same as `python -m mlhub_async`."""

import os
import signal
import types
from typing import NoReturn

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


def main() -> NoReturn:
    """Run the command line. A signal during its import ends the process at once: there is nothing to save."""
    numbers = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    for number in numbers:
        if signal.getsignal(number) is not signal.SIG_IGN:  # else started by nohup
            signal.signal(number, _exit)
    from .cli import main as run  # it takes long enough to be interrupted

    if signal.getsignal(signal.SIGINT) is _exit:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


def _exit(number: int, frame: types.FrameType | None) -> None:
    os._exit(128 + number)


if __name__ == "__main__":
    main()
