"""Mirrors of Earth-observation training data (STAC, Radiant MLHub): whole, provably, fast.

    report = await mlhub_async.mirror("mlhub", "data/", Options(selection=Selection(collections=("...",))))

If a report is `ok`, the copy is complete and correct, and `data/.mlhub/receipt.json` proves it.
Importing this package reads no environment, configures no logging and starts nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "1.0.0"

if TYPE_CHECKING:
    from .api import blocking as blocking
    from .api.client import Client as Client
    from .api.item_iterator import mirrored as mirrored
    from .api.monitoring import mirror as mirror
    from .api.pages.report_html import report_page as report_page
    from .core.errors import AccessLost as AccessLost
    from .core.errors import CatalogError as CatalogError
    from .core.errors import DiskFull as DiskFull
    from .core.errors import LimitReached as LimitReached
    from .core.errors import Locked as Locked
    from .core.errors import MlhubError as MlhubError
    from .core.errors import NothingMatched as NothingMatched
    from .core.errors import SourceError as SourceError
    from .core.errors import StorageError as StorageError
    from .core.errors import TooManyErrors as TooManyErrors
    from .core.errors import TransferError as TransferError
    from .core.errors import UsageError as UsageError
    from .core.model import Asset as Asset
    from .core.model import Item as Item
    from .core.model import Record as Record
    from .core.options import Options as Options
    from .core.options import RetryPolicy as RetryPolicy
    from .core.options import Selection as Selection
    from .core.telemetry import Meter as Meter
    from .engine.planning.differences import diff as diff
    from .engine.planning.lockfile import lock as lock
    from .engine.report.receipt import Report as Report
    from .engine.verify import verify as verify
    from .sources.items.objects import assets as assets

_MODULES = {
    "AccessLost": "core.errors",
    "Asset": "core.model",
    "CatalogError": "core.errors",
    "Client": "api.client",
    "DiskFull": "core.errors",
    "Item": "core.model",
    "LimitReached": "core.errors",
    "Locked": "core.errors",
    "Meter": "core.telemetry",
    "MlhubError": "core.errors",
    "NothingMatched": "core.errors",
    "Options": "core.options",
    "Record": "core.model",
    "Report": "engine.report.receipt",
    "RetryPolicy": "core.options",
    "Selection": "core.options",
    "SourceError": "core.errors",
    "StorageError": "core.errors",
    "TooManyErrors": "core.errors",
    "TransferError": "core.errors",
    "UsageError": "core.errors",
    "assets": "sources.items.objects",
    "diff": "engine.planning.differences",
    "lock": "engine.planning.lockfile",
    "mirror": "api.monitoring",
    "mirrored": "api.item_iterator",
    "report_page": "api.pages.report_html",
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


def __dir__() -> list[str]:
    """The public names, which completion offers."""
    return sorted(__all__)
