"""What the small object stores of the tests have in common: real sockets, objects by key, faults on demand.

A store is a subclass of `ObjectServer` with its `handler`: see `s3_server`, `azure_server`, `google_server`.
"""

from __future__ import annotations

import itertools
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Self

SLOW_SECONDS = 1.5
RECENTLY = "Mon, 06 May 2024 07:08:09 GMT"


@dataclass
class Stored:
    """One object, and its metadata by the names of the fields."""

    body: bytes
    etag: str
    fields: dict[str, str] = field(default_factory=dict)


@dataclass
class Fault:
    """`what` happens to the next `times` such operations on a key that has this text in it."""

    operation: str
    text: str
    what: str
    times: int


class ObjectServer:
    """`objects` are those of the one bucket, by key; `operations` what was asked for, and of which key.

    Operations: "list", "facts", "read", "put", "copy", "remove", "begin", "part", "parts", "complete",
    "abort". Where the last part completes an upload it is "complete".
    Faults: "slow-down" (503), "lost" (done, but the connection ends before the answer), "cut" (the
    connection is reset in the middle of the body), "wrong-sum" (the answer names another digest),
    "slow" (it takes `SLOW_SECONDS` to take the body), "late-error" (200 with an error in its
    body), "denied" (403), "unsupported" (501), "retained" (a retention policy keeps what is there),
    "untaken" (nothing of a part is taken, Google only).
    """

    handler: ClassVar[type[ObjectHandler]]
    digest_field: ClassVar[str]
    """the metadata that has the SHA-256 of an object"""

    def __init__(self, *, conditions: bool = True, bucket: str = "bucket") -> None:
        self.objects: dict[str, Stored] = {}
        self.uploads: dict[str, Any] = {}
        self.operations: list[tuple[str, str]] = []
        self.bucket, self.conditions = bucket, conditions
        self.page_size = 1000
        self.faults: list[Fault] = []
        self.before: dict[tuple[str, str], Callable[[], None]] = {}
        """what happens before such an operation on a key that has this text in it"""
        self.lock = threading.RLock()
        self.ids = itertools.count(1)

    def __enter__(self) -> Self:
        handler = type("Handler", (self.handler,), {"store": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def dest(self) -> str:
        """DEST for the bucket, without a key."""
        raise NotImplementedError

    def fault(self, operation: str, text: str, what: str, times: int = 1) -> None:
        self.faults.append(Fault(operation, text, what, times))

    def next_fault(self, operation: str, key: str) -> str:
        with self.lock:
            self.operations.append((operation, key))
            for one in self.faults:
                if one.times and one.operation == operation and one.text in key:
                    one.times -= 1
                    return one.what
        return ""

    def count(self, operation: str, text: str = "") -> int:
        return sum(operation == one and text in key for one, key in self.operations)

    def files(self, prefix: str = "") -> dict[str, bytes]:
        """The objects below a prefix that are no documents, by path."""
        return {
            key.removeprefix(prefix): stored.body
            for key, stored in sorted(self.objects.items())
            if key.startswith(prefix) and not key.endswith((".json", ".jsonl")) and "/.mlhub/" not in key
        }


class ObjectHandler(BaseHTTPRequestHandler):
    """A subclass says what a request is (`operation`), what it does (`do`), and how it is refused."""

    protocol_version = "HTTP/1.1"
    store: Any
    timeout = 30

    def log_message(self, *_: Any) -> None:
        """Nothing is printed."""

    def do_GET(self) -> None:
        self._serve()

    do_PUT = do_POST = do_DELETE = do_HEAD = do_GET

    def operation(self, begun: bytes) -> tuple[str, str]:
        """The operation and the key of the request, whose body begins so."""
        raise NotImplementedError

    def do(self) -> None:
        raise NotImplementedError

    def refusal(self, fault: str) -> tuple[int, str, dict[str, str]]:
        """The status, the body and fields for "slow-down", "denied", "unsupported" or "retained"."""
        raise NotImplementedError

    def wrong_sum(self) -> dict[str, str]:
        """The fields of an answer that names another digest."""
        return {}

    def _serve(self) -> None:
        length = int(self.headers.get("content-length", 0))
        begun = self.rfile.read(length // 2)
        operation, key = self.operation(begun)
        self.fault = self.store.next_fault(operation, key)
        if self.fault == "cut":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
            return
        self.body = begun + self.rfile.read(length - len(begun))
        if self.fault == "slow":
            time.sleep(SLOW_SECONDS)
        if self.fault in ("slow-down", "denied", "unsupported", "retained"):
            self.answer(*self.refusal(self.fault))
            return
        with self.store.lock:
            for (what, text), act in list(self.store.before.items()):
                if what == operation and text in key:
                    act()
            self.do()

    def answer(self, status: int, body: str | bytes = "", fields: dict[str, str] | None = None) -> None:
        if self.fault == "lost":
            self.close_connection = True
            return
        data = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        for name, value in (fields or {}).items():
            self.send_header(name, value)
        for name, value in self.wrong_sum().items() if self.fault == "wrong-sum" else ():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
