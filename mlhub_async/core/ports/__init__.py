"""The protocols (`typing.Protocol`) of the replaceable parts: what callers and implementations guarantee.

Implementations do not inherit from them: matching methods are enough.
"""

from __future__ import annotations

from .lanes import (
    BegunRequest as BegunRequest,
)
from .lanes import (
    LaneExchange as LaneExchange,
)
from .lanes import (
    Lanes as Lanes,
)
from .lanes import (
    LaneSink as LaneSink,
)
from .lanes import (
    RequestLane as RequestLane,
)
from .parts import (
    BodyWriter as BodyWriter,
)
from .parts import (
    Buffer as Buffer,
)
from .parts import (
    DocumentStore as DocumentStore,
)
from .parts import (
    Emit as Emit,
)
from .parts import (
    Executor as Executor,
)
from .parts import (
    Members as Members,
)
from .parts import (
    PartialFile as PartialFile,
)
from .parts import (
    Place as Place,
)
from .parts import (
    Reader as Reader,
)
from .parts import (
    SegmentWriter as SegmentWriter,
)
from .parts import (
    Send as Send,
)
from .parts import (
    Settle as Settle,
)
from .parts import (
    Settled as Settled,
)
from .parts import (
    Signer as Signer,
)
from .parts import (
    Sink as Sink,
)
from .parts import (
    Source as Source,
)
from .parts import (
    Store as Store,
)
from .parts import (
    Submit as Submit,
)
from .parts import (
    Transport as Transport,
)
