"""`python -m mlhub_async` is `mlhub-async`."""

import os
import signal
import types
from typing import NoReturn

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


def main() -> NoReturn:
    """Entry point of both. Who is interrupted before there is a run has nothing to save or to explain."""
    numbers = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    for number in numbers:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, _leave)
    from .cli import main as run  # noqa: PLC0415 - it takes long enough to be interrupted

    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


def _leave(number: int, frame: types.FrameType | None) -> None:
    os._exit(128 + number)


if __name__ == "__main__":
    main()
