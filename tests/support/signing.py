"""What signers are made with, for tests without a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mlhub_async.core.ports import SigningContext
from mlhub_async.core.urls import StoreEndpoints


def signing_context(
    environ: Mapping[str, str], reader: Any = None, clock: Callable[[], float] = lambda: 1000.0, **more: Any
) -> SigningContext:
    """A context with these variables; `more` are its other fields."""
    known: dict[str, Any] = {
        "given": frozenset(),
        "source": None,
        "endpoints": StoreEndpoints(),
        "request_payer": False,
        "name_address": lambda url: None,
        **more,
    }
    return SigningContext(environ, reader, clock=clock, **known)
