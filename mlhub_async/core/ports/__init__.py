"""The protocols (`typing.Protocol`) of the replaceable parts: what callers and implementations guarantee.

Implementations do not inherit from them: matching methods are enough.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import lazy_exports

if TYPE_CHECKING:
    from .lanes import BegunExchange as BegunExchange
    from .lanes import BegunRequest as BegunRequest
    from .lanes import LaneExchange as LaneExchange
    from .lanes import Lanes as Lanes
    from .lanes import LaneSink as LaneSink
    from .lanes import RequestLane as RequestLane
    from .objects import Answer as Answer
    from .objects import ListedObject as ListedObject
    from .objects import ObjectFacts as ObjectFacts
    from .objects import Objects as Objects
    from .objects import StoreRequests as StoreRequests
    from .objects import Sums as Sums
    from .objects import UnfinishedUpload as UnfinishedUpload
    from .objects import UploadPart as UploadPart
    from .objects import Whole as Whole
    from .parts import BodyWriter as BodyWriter
    from .parts import Buffer as Buffer
    from .parts import DocumentStore as DocumentStore
    from .parts import Emit as Emit
    from .parts import Executor as Executor
    from .parts import PartialFile as PartialFile
    from .parts import PartialFiles as PartialFiles
    from .parts import Place as Place
    from .parts import Reader as Reader
    from .parts import SegmentWriter as SegmentWriter
    from .parts import Send as Send
    from .parts import Settle as Settle
    from .parts import Settled as Settled
    from .parts import Sink as Sink
    from .parts import Source as Source
    from .parts import Store as Store
    from .parts import Submit as Submit
    from .parts import Transport as Transport
    from .references import AskOrigin as AskOrigin
    from .references import Brought as Brought
    from .references import References as References
    from .signing import MakeSigner as MakeSigner
    from .signing import ReadDocuments as ReadDocuments
    from .signing import Refused as Refused
    from .signing import SeenKey as SeenKey
    from .signing import Signer as Signer
    from .signing import SigningContext as SigningContext
else:
    __getattr__ = lazy_exports(
        __name__,
        {
            "lanes": "BegunExchange BegunRequest LaneExchange Lanes LaneSink RequestLane",
            "objects": "Answer ListedObject ObjectFacts Objects StoreRequests Sums UnfinishedUpload"
            " UploadPart Whole",
            "parts": "BodyWriter Buffer DocumentStore Emit Executor PartialFile PartialFiles Place Reader"
            " SegmentWriter Send Settle Settled Sink Source Store Submit Transport",
            "references": "AskOrigin Brought References",
            "signing": "MakeSigner ReadDocuments Refused SeenKey Signer SigningContext",
        },
    )
