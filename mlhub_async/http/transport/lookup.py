"""Looks host names up without the threads of uvloop.

With its first name uvloop starts four threads, and ends the process by abort() where the system allows no
more. Here each look-up gets a thread of its own, a daemon, so that a name server that does not answer holds
up nobody at the end of a run. An address needs none.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import threading
from collections.abc import Sequence
from typing import Any

from ...core.concurrency import NO_THREADS, is_thread_limit
from ...core.errors import StorageError

Found = Sequence[tuple[Any, ...]]


async def look_up(host: str, port: int) -> Found:
    """What getaddrinfo gives for TCP. Raises OSError as it does, `StorageError` where no thread can start."""
    loop = asyncio.get_running_loop()
    if not type(loop).__module__.startswith("uvloop"):
        return await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    if _is_address(host):
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    done: asyncio.Future[Found] = loop.create_future()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except Exception as error:
            _tell(loop, done, error)
        else:
            _tell(loop, done, found)

    try:
        threading.Thread(target=ask, name="mlhub-dns", daemon=True).start()
    except RuntimeError as error:
        if not is_thread_limit(error):
            raise
        raise StorageError(NO_THREADS) from None
    return await done


def _tell(loop: asyncio.AbstractEventLoop, done: asyncio.Future[Found], found: Found | Exception) -> None:
    """In the thread. Nobody may be waiting any more, nor the loop be open."""

    def settle() -> None:
        if done.done():
            return
        if isinstance(found, Exception):
            done.set_exception(found)
        else:
            done.set_result(found)

    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(settle)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
