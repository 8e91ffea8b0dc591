"""The exceptions of this package, and what each one means for the run.

    MlhubError
    ├── UsageError          an option, path or setting is wrong          exit 2
    ├── SourceError         not found, not STAC, refused at the root     exit 3
    ├── NothingMatched      the catalogue has nothing of what was asked  exit 9
    ├── CatalogError        the listing broke off: run again             exit 5
    │   └── CatalogDefect   at a document that is wrong for good         exit 4
    ├── TransferError       one asset failed; the run goes on
    │   ├── Corrupt         the body has another size, digest or structure than promised
    │   └── Transient       another attempt may succeed
    │       ├── LocalShortage  this machine lacks descriptors, ports or memory
    │       └── PartialLost    the partial file was removed
    └── Fatal               the run cannot go on
        ├── StorageError    read-only, not a directory, out of memory    exit 7
        │   ├── DiskFull    no space left, or none of a quota
        │   └── DiskFailing I/O error, or bytes that were written are lost
        ├── AccessLost      an origin refuses our credentials            exit 3
        ├── WorkersLost     there are no workers, and none come          exit 5
        ├── LimitReached    --max-transfer, --max-duration               exit 8
        ├── TooManyErrors   --max-errors, --fail-fast                    exit 4
        └── Locked          another run owns DEST                        exit 11

An expected failure of one asset becomes an `Outcome`; only `Fatal` and bugs leave the pipeline.
`kind` is a stable identifier for programs (errors.jsonl, JSON events). The message is for people and contains
no secret: URLs in it have gone through `urls.redacted`.
"""

from __future__ import annotations

from typing import Self


class MlhubError(Exception):
    """Base class of all exceptions of this package. `kind` identifies the kind of failure for programs."""

    kind = "error"
    exit_code = 1
    retryable = False

    def __init__(self, message: str, *, kind: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if kind is not None:
            self.kind = kind

    def without_traceback(self) -> Self:
        """The same error without traceback and cause, whose frames keep connections and buffers alive."""
        self.__traceback__ = self.__context__ = self.__cause__ = None
        return self


class UsageError(MlhubError):
    """An option, path or configuration that cannot be used as given."""

    kind = "usage"
    exit_code = 2


class SourceError(MlhubError):
    """SOURCE does not exist, is not STAC, or refuses access to its root."""

    kind = "source"
    exit_code = 3


class NothingMatched(MlhubError):
    """A selection was given, and nothing in the catalogue matches it."""

    kind = "nothing-matched"
    exit_code = 9


class CatalogError(MlhubError):
    """The listing could not be read to its end. What was listed before is still downloaded."""

    kind = "listing"
    exit_code = 5
    retryable = True


class CatalogDefect(CatalogError):
    """The listing broke off at a document that is wrong for good: another run would meet it again."""

    exit_code = 4
    retryable = False


class TransferError(MlhubError):
    """One document or asset could not be fetched. `status` is the HTTP status code, None without a response.

    `http.status` sets the attributes below by the status code.
    """

    kind = "transfer"
    exit_code = 4

    signed = False
    """the request carried our credentials"""
    denied = False
    """access was refused"""
    unauthorized = False
    """access was refused as valid credentials were missing (401); `denied` is true as well"""
    absent = False
    """there is no such resource (404, 410)"""
    maybe_unsigned = False
    """the refusal may mean that the request lacks credentials, or that those it has are not valid any more"""
    server_time: float | None = None
    """the Unix time by the clock of the server that refused access, where it told that"""
    maybe_expired = False
    """the refusal may mean that a signed URL has expired"""
    unmet = False
    """a condition of the request (If-Match, If-None-Match) was not met"""
    missing_keys = False
    """an object store says that it needs credentials, under a status that does not mean that everywhere"""
    retained = False
    """a retention policy keeps what is there from being replaced or removed"""
    rejected = False
    """the server does not accept the request in this form; it may accept another form"""
    unsupported = False
    """the server does not support the method or the function of the request, or so long an address"""
    failing = False
    """the server failed at this request (500); it may not fail at one that asks for less"""
    no_content = False
    """the answer is complete and has no body"""
    none_found = False
    """`absent`, and the answer says that a search found nothing"""
    oversized = False
    """the same request for a smaller page may succeed"""
    throttled = False
    """the origin limits the rate of requests"""
    misdirected = False
    """another connection to the origin may lead to the server that has the resource (421)"""
    untrusted = False
    """the connection had no certificate that is trusted; another one may have"""
    unanswered = False
    """the origin sent no response, or a proxy in its place; another origin may have the same resource"""
    advice = ""
    """what the catalogue says that access needs, and how it is given"""
    outage = False
    """the origin as a whole is down or overloaded, not this one resource"""

    def __init__(self, message: str, *, kind: str | None = None, status: int | None = None) -> None:
        super().__init__(message, kind=kind)
        self.status = status


class Corrupt(TransferError):
    """The body is complete, but its size, digest or structure is not what catalogue or server promised."""

    kind = "corrupt"


class Transient(TransferError):
    """Another attempt may succeed.

    `retry_after`: seconds until the server wants to be asked again, None where it does not say;
    `waits_alone`: for this resource, not for others of the origin. `tries`: maximal attempts in a row for
    this kind of failure, if fewer than the policy allows. `free`: the failure does not count as an attempt,
    as the asset did not cause it. `final`: there is no further attempt in this run.
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
        self.waits_alone = False


class PartialLost(Transient):
    """The partial file was removed: by another run that continues it, or by hand."""

    kind = "taken"


class LocalShortage(Transient):
    """This machine lacks file descriptors, ports or memory at present. No server caused it."""

    kind = "local-shortage"

    def __init__(self, message: str) -> None:
        super().__init__(f"{message}; allow more open files ('ulimit -n') or fewer transfers (-j)")
        self.free = True

    def as_fatal(self) -> StorageError:
        """The error to raise when the shortage does not end."""
        return StorageError(self.message)


class Fatal(MlhubError):
    """Ends the run: all transfers are cancelled, partial files are kept."""

    kind = "fatal"


class StorageError(Fatal):
    """DEST cannot be written or read: full, read-only, failing, or no directory."""

    kind = "storage"
    exit_code = 7


class DiskFull(StorageError):
    """No space is left on the disk, or none of the user's quota."""

    kind = "disk-full"


class DiskFullWarning(UserWarning):
    """The run waits for space on a full disk. The warning is repeated while that lasts."""


class ReferenceWarning(UserWarning):
    """A reference failed: the origins are asked for what it should have given."""


class DiskFailing(StorageError):
    """The disk reported an I/O error: what was written may be damaged."""


class AccessLost(Fatal):
    """An origin refused our credentials many times in a row."""

    kind = "unauthorized"
    exit_code = 3


class WorkersLost(Fatal):
    """The run has no workers any more: another run goes on where this one stopped."""

    kind = "no-workers"
    exit_code = 5
    retryable = True


class LimitReached(Fatal):
    """A limit the user set was reached."""

    kind = "limit"
    exit_code = 8


class TooManyErrors(Fatal):
    """More assets failed than --max-errors or --fail-fast allow."""

    kind = "too-many-errors"
    exit_code = 4


class Locked(Fatal):
    """Another run owns DEST."""

    kind = "locked"
    exit_code = 11


def error_json(error: MlhubError) -> str:
    """An error as JSON, for errors.jsonl and events: class (its `kind`), message, retryable, status."""
    from .json_text import dumps

    message = error.message.encode("utf-8", "backslashreplace").decode()
    shown = {"class": error.kind, "message": message, "retryable": error.retryable}
    status = getattr(error, "status", None)
    return dumps(shown | ({"status": status} if status else {})).decode()
