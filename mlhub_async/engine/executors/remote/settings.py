"""What a worker is started with: the options of the run with their secrets, where its source and DEST are.

Secrets cannot be pickled by accident. Here they are, on purpose, for a pipe that nobody else reads.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ....core.options import Options
from ....core.secret import Secret
from .liveness import ALIVE_SECONDS


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """`dest` is an absolute path. `environ`: the variables that keys are read from; None: the worker's own.

    `location` is the `SourceLocation`, without objects. `observed`: whether anybody listens to events.
    """

    options: Options
    location: Any
    dest: str
    environ: Mapping[str, str] | None
    observed: bool
    renames_set_time: bool = False
    """of the store; see `DirectoryTree`"""
    alive_seconds: float = ALIVE_SECONDS
    """between two messages of a worker, at most"""
    schemes: tuple[Any, ...] = ()
    """documents that named authentication schemes before the worker began"""

    @property
    def has_secrets(self) -> bool:
        """Whether there are secrets that are not in the environment of the worker."""
        found = _Finder(io.BytesIO(), pickle.HIGHEST_PROTOCOL)
        found.dump(self)
        return found.secrets > 0


class _Pickler(pickle.Pickler):
    def reducer_override(self, given: Any) -> Any:
        if isinstance(given, Secret):
            return Secret, (given.reveal(),)
        return NotImplemented


class _Finder(pickle.Pickler):
    secrets = 0

    def reducer_override(self, given: Any) -> Any:
        if isinstance(given, Secret):
            self.secrets += bool(given)
            return Secret, ("",)
        return NotImplemented


def pack_settings(settings: WorkerSettings) -> bytes:
    """The settings with their secrets in clear."""
    packed = io.BytesIO()
    _Pickler(packed, pickle.HIGHEST_PROTOCOL).dump(settings)
    return packed.getvalue()


def unpack_settings(packed: bytes) -> WorkerSettings:
    settings = pickle.loads(packed)
    assert isinstance(settings, WorkerSettings)
    return settings
