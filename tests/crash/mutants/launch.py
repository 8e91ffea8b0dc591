"""The command line with one promise broken, to see that the judge notices: `launch.py MUTANT mirror …`.

`none` is the program itself with short waits between tries. `MLHUB_DIE=rename:3` in the environment: it
kills itself instead of its third `os.rename`.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from mlhub_async.cli import main
from mlhub_async.core.model import Head, Outcome, Record, Request, Status
from mlhub_async.core.urls import Origin, canonical
from mlhub_async.http.auth import sign_on
from mlhub_async.http.auth.signer_set import SignerSet
from mlhub_async.http.resilience import retry
from mlhub_async.http.transport.fallback import FallbackTransport
from mlhub_async.storage.local.partials import PartialFile
from mlhub_async.storage.local.store import LocalStore
from mlhub_async.transfer import attempts, commit
from mlhub_async.transfer.context import TransferContext
from mlhub_async.transfer.receiver import Receiver
from mlhub_async.transfer.segments.stream import RangeRefused, SegmentSink

CROSSING = ("authorization", "cookie", "proxy-authorization")


def without_small_files() -> None:
    """Every file goes through a partial file."""
    attempts.is_eligible = lambda job: False  # type: ignore[attr-defined]
    FallbackTransport.lane = lambda self, target: None  # type: ignore[method-assign]


def none() -> None:
    """Breaks nothing."""


def direct() -> None:
    """Writes to the final name from the first byte on."""
    opened = Receiver.__init__

    def init(self: Receiver, job: Any, context: TransferContext, segments: Any) -> None:
        opened(self, job, context, segments)
        body: Any = self.partial.body
        path = context.store.root / job.path  # type: ignore[attr-defined]
        body._path, body._directory = str(path), None
        path.parent.mkdir(parents=True, exist_ok=True)

    async def commit(self: PartialFile, path: str) -> int:
        self.body.is_persistent = False
        self._unbind()
        return self.body.finish(False)

    Receiver.__init__, PartialFile.commit = init, commit  # type: ignore[method-assign,assignment]
    without_small_files()


def blind() -> None:
    """Resumes without If-Range, and takes whatever 206 it gets."""
    asked = Receiver.next_fields

    async def next_fields(self: Receiver) -> dict[str, str]:
        return {name: value for name, value in (await asked(self)).items() if name != "if-range"}

    Receiver.next_fields = next_fields  # type: ignore[method-assign]
    Receiver._fits = lambda self, head, span: True  # type: ignore[method-assign]


def splicing() -> None:
    """Takes a part of whatever version it is of, and does not confirm in the end that it was one."""
    asked, asks_again = SegmentSink.request, Receiver.asks_again

    def request(self: SegmentSink) -> Request:
        whole = asked(self)
        fields = {name: value for name, value in whole.headers.items() if name != "if-match"}
        return whole._replace(headers=fields)

    def start(self: SegmentSink, head: Head) -> None:
        if head.status != 206:
            raise RangeRefused

    def unconfirmed(self: Receiver) -> bool:
        self.joined = False
        return asks_again(self)

    SegmentSink.request, SegmentSink.start = request, start  # type: ignore[method-assign]
    Receiver.asks_again = unconfirmed  # type: ignore[method-assign]


def early() -> None:
    """Tells the ledger first, and gives the bytes their name afterwards."""

    async def committed(receiver: Receiver, head: Head, context: TransferContext) -> Record:
        digests, proof = await receiver.complete()
        job, size = receiver.job, receiver.partial.body.offset
        record = Record(job.path, size, digests["sha256"].hex(), 0, proof, receiver.validator)
        ledger = context.move.__self__  # type: ignore[attr-defined]
        await ledger.record([(Outcome(job, Status.FETCHED, record), canonical(head.url))])
        mtime = await receiver.partial.commit(job.path)
        return record._replace(mtime_ns=mtime)

    commit.commit_body = committed
    without_small_files()


def leaky() -> None:
    """Takes well-known secrets out of a request that is redirected, instead of building it anew."""
    kept: dict[str, str] = {}
    sign, redirected = SignerSet.sign, sign_on._redirected

    def signed(self: SignerSet, request: Request, origin: Origin) -> Request | None:
        found = sign(self, request, origin)
        kept.update(found.headers if found is not None else {})
        return found

    def stripped(request: Request, head: Head) -> Request:
        onward = redirected(request, head)
        rest = {name: value for name, value in kept.items() if name.lower() not in CROSSING}
        return onward._replace(headers={**rest, **onward.headers})

    SignerSet.sign, sign_on._redirected = signed, stripped  # type: ignore[method-assign]


def unsynced() -> None:
    """Never waits for the disk to have the bytes."""
    os.fsync = lambda fd: None  # type: ignore[assignment]


def nameless() -> None:
    """Syncs files and forgets their names."""
    LocalStore.sync_names = lambda self, paths: None  # type: ignore[method-assign]


MUTANTS: dict[str, Callable[[], None]] = {
    m.__name__: m for m in (none, direct, blind, splicing, early, leaky, unsynced, nameless)
}


def die_at(name: str, number: int) -> None:
    """Instead of the n-th call of one function of `os` comes SIGKILL."""
    call, left = getattr(os, name), [number]

    def counted(*words: Any, **more: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*words, **more)

    setattr(os, name, counted)


def launch() -> None:
    MUTANTS[sys.argv.pop(1)]()
    retry.Retry.__init__.__kwdefaults__["uniform"] = lambda low, high: high / 50
    if "MLHUB_DIE" in os.environ:
        name, _, number = os.environ["MLHUB_DIE"].partition(":")
        die_at(name, int(number))
    main()


if __name__ == "__main__":
    launch()
