"""Mirrors of Earth-observation training data (STAC, Radiant MLHub): whole, provably, fast.

    report = await mlhub_async.mirror("mlhub", "data/", Options(selection=Selection(collections=("...",))))

If a report is `ok`, the copy is complete and correct, and `data/.mlhub/receipt.json` proves it.
Importing this package reads no environment, configures no logging and starts nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .api import blocking as blocking
    from .api.client import Client as Client
    from .api.item_iterator import mirrored as mirrored
    from .core.errors import MlhubError as MlhubError
    from .core.model import Asset as Asset
    from .core.options import Options as Options
    from .core.options import RetryPolicy as RetryPolicy
    from .core.options import Selection as Selection
    from .engine.mirror import mirror as mirror
    from .engine.report.receipt import Report as Report
    from .engine.verify import verify as verify
    from .sources.items.objects import assets as assets

_MODULES = {
    "Asset": "core.model",
    "Client": "api.client",
    "MlhubError": "core.errors",
    "Options": "core.options",
    "Report": "engine.report.receipt",
    "RetryPolicy": "core.options",
    "Selection": "core.options",
    "assets": "sources.items.objects",
    "mirror": "engine.mirror",
    "mirrored": "api.item_iterator",
    "verify": "engine.verify",
}
__all__ = [  # noqa: PLE0604 - the names are strings
    "__version__",
    "blocking",
    *_MODULES,
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is used, so that `mlhub-async --help` does not wait for aiohttp."""
    if name == "blocking":
        return import_module(".api.blocking", __name__)
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)
