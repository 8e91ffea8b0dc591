"""The protocols (`typing.Protocol`) of the replaceable parts: what callers and implementations guarantee.

Implementations do not inherit from them: matching methods are enough.
"""

from __future__ import annotations

from .lanes import BegunRequest, LaneExchange, Lanes, LaneSink, RequestLane
from .parts import (
    BodyWriter,
    Buffer,
    DocumentStore,
    Emit,
    Executor,
    Members,
    PartialFile,
    Place,
    Reader,
    SegmentWriter,
    Send,
    Settle,
    Settled,
    Signer,
    Sink,
    Source,
    Store,
    Submit,
    Transport,
)

__all__ = [
    "BegunRequest",
    "BodyWriter",
    "Buffer",
    "DocumentStore",
    "Emit",
    "Executor",
    "LaneExchange",
    "LaneSink",
    "Lanes",
    "Members",
    "PartialFile",
    "Place",
    "Reader",
    "RequestLane",
    "SegmentWriter",
    "Send",
    "Settle",
    "Settled",
    "Signer",
    "Sink",
    "Source",
    "Store",
    "Submit",
    "Transport",
]
