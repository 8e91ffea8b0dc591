"""Every error this program can tell, and what each one means for the run.

    MlhubError
    ├── UsageError          the call itself is wrong                     exit 2
    ├── SourceError         not found, not STAC, refused at the root     exit 3
    ├── CatalogError        the listing broke off: run again             exit 5
    ├── TransferError       this asset is not to be had; the run goes on
    │   ├── Corrupt         the bytes are not the bytes that were promised
    │   └── Transient       may be tried again (retry_after: what the server asked for)
    │       ├── Shortage    this machine is out of descriptors for now
    │       └── Taken       the unfinished file is gone
    └── Fatal               nothing more can be done in this run
        ├── StorageError    read-only, not a directory, out of memory    exit 7
        │   ├── DiskFull    no room, or no more of a quota
        │   └── DiskFailing the disk lost bytes that it had accepted
        ├── AccessLost      our credentials are not taken any more       exit 3
        ├── LimitReached    --max-transfer, --max-duration               exit 8
        ├── TooManyErrors   --max-errors, --fail-fast                    exit 4
        └── Locked          another run owns DEST                        exit 11

An expected failure of one asset becomes an `Outcome`; only `Fatal` and bugs leave the pipeline.
`kind` is a stable word for machines (errors.jsonl, JSON events); the message is for people and
holds no secret: whoever raises passes URLs through `urls.redacted`.
"""

from __future__ import annotations

from typing import Self

import orjson


class MlhubError(Exception):
    """Base of all errors raised on purpose. `kind` names the class of failure for machines."""

    kind = "error"
    exit_code = 1
    retryable = False

    def __init__(self, message: str, *, kind: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if kind is not None:
            self.kind = kind

    def without_traceback(self) -> Self:
        """Without the frames it came through, which hold connections and buffers: for one that is kept."""
        self.__traceback__ = self.__context__ = self.__cause__ = None
        return self


class UsageError(MlhubError):
    """An option, path or configuration that cannot be used as given."""

    kind = "usage"
    exit_code = 2


class SourceError(MlhubError):
    """SOURCE does not exist, is not STAC, or refuses us at its root."""

    kind = "source"
    exit_code = 3


class CatalogError(MlhubError):
    """The listing broke off part way. What was listed before is still downloaded."""

    kind = "listing"
    exit_code = 5
    retryable = True


class TransferError(MlhubError):
    """One document or asset could not be had. `status` is the HTTP status where there was one.

    What a status means is decided in `http.status` alone, which sets the attributes below.
    """

    kind = "transfer"
    exit_code = 4

    signed = False
    """the request carried our credentials"""
    denied = False
    """access was refused"""
    unauthorized = False
    """it was refused for want of valid credentials (so `denied` is true as well)"""
    absent = False
    """there is nothing at that URL, or not any more"""
    maybe_expired = False
    """object stores refuse a signed URL that has expired in this way, among others"""
    rejected = False
    """the request was understood but not accepted as it is: another form of it may be"""
    oversized = False
    """the same request for fewer records may succeed"""
    throttled = False
    """the origin has too many requests, of ours or of others"""
    outage = False
    """the origin as a whole is down or overloaded, not this one resource"""

    def __init__(self, message: str, *, kind: str | None = None, status: int | None = None) -> None:
        super().__init__(message, kind=kind)
        self.status = status


class Corrupt(TransferError):
    """The body is complete but is not what catalogue or server promised."""

    kind = "corrupt"


class Transient(TransferError):
    """May work when tried again.

    `retry_after`: seconds the server asked us to stay away, if it did. `tries`: at most so many attempts
    in a row are worth it for this kind of failure, where that is less than the policy allows. `free`: it
    is none of the asset's doing and costs it no attempt. `final`: there is no further attempt in this run.
    """

    kind = "transient"
    exit_code = 5
    retryable = True

    def __init__(
        self,
        message: str,
        *,
        kind: str | None = None,
        status: int | None = None,
        retry_after: float | None = None,
        tries: int | None = None,
    ) -> None:
        super().__init__(message, kind=kind, status=status)
        self.retry_after = retry_after
        self.tries = tries
        self.free = False
        self.final = False


class PartialLost(Transient):
    """The unfinished file is gone: another run goes on with it, or somebody has cleaned up."""

    kind = "taken"


class LocalShortage(Transient):
    """This machine is out of descriptors, ports or memory for now: nobody else's fault."""

    kind = "local-shortage"

    def __init__(self, message: str) -> None:
        super().__init__(f"{message}; allow more open files ('ulimit -n') or fewer transfers (-j)")
        self.free = True

    def as_fatal(self) -> StorageError:
        """The same when there is no hope left in this run."""
        return StorageError(self.message)


class Fatal(MlhubError):
    """Ends the run: everything is cancelled, what is on disk stays."""

    kind = "fatal"


class StorageError(Fatal):
    """The local disk refuses: full, read-only, failing, or DEST is no directory."""

    kind = "storage"
    exit_code = 7


class DiskFull(StorageError):
    """There is no room, or the user's share of it is used up."""

    kind = "disk-full"


class DiskFullWarning(UserWarning):
    """A full disk is being waited for: told now and then while it lasts."""


class DiskFailing(StorageError):
    """What was written is not to be trusted: the disk reported an error of its own."""


class AccessLost(Fatal):
    """A host that knows our credentials refuses them, again and again."""

    kind = "unauthorized"
    exit_code = 3


class LimitReached(Fatal):
    """A limit the user set was reached."""

    kind = "limit"
    exit_code = 8


class TooManyErrors(Fatal):
    """So many assets failed that the user did not want to go on."""

    kind = "too-many-errors"
    exit_code = 4


class Locked(Fatal):
    """Another run owns DEST."""

    kind = "locked"
    exit_code = 11


def error_json(error: MlhubError) -> str:
    """An error as errors.jsonl and the events show it."""
    shown = {"class": error.kind, "message": error.message, "retryable": error.retryable}
    status = getattr(error, "status", None)
    return orjson.dumps(shown | ({"status": status} if status else {})).decode()
