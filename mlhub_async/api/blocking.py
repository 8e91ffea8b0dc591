"""`mirror`, `plan`, `diff`, `verify` without `await`: for scripts and notebooks, which run a loop already."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from ..engine.mirror import mirror as _mirror
from ..engine.planning.differences import diff as _diff
from ..engine.planning.plan import plan_only as _plan_only
from ..engine.verify import verify as _verify

P = ParamSpec("P")
T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run one coroutine to its end in a loop of its own, in a thread of its own, and return its result.

    Ctrl-C cancels it, waits while it saves its state, and is raised again. A second Ctrl-C ends the wait.
    """
    result: Future[T] = Future()
    loop = asyncio.new_event_loop()
    task = loop.create_task(work)

    def run_loop() -> None:
        try:
            result.set_result(loop.run_until_complete(task))
        except BaseException as error:
            result.set_exception(error)
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    thread = threading.Thread(target=run_loop, name="mlhub-blocking")
    thread.start()
    try:
        return result.result()
    except KeyboardInterrupt:
        with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
            loop.call_soon_threadsafe(task.cancel)
        raise
    finally:
        thread.join()


def _blocking(call: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    @wraps(call)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        return run(call(*args, **kwargs))

    return wrapper


mirror = _blocking(_mirror)
diff = _blocking(_diff)
plan = _blocking(_plan_only)
verify = _blocking(_verify)
