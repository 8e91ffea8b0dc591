"""Mirror Earth-observation training data: whole, provably, fast.

    report = await mlhub_async.mirror("mlhub", "data/", Options(selection=Selection(collections=("...",))))

If a report is `ok`, the copy is complete and correct, and `data/.mlhub/receipt.json` proves it.
Importing this package reads no environment, configures no logging and starts nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from . import blocking as blocking
    from .client import Client as Client
    from .errors import MlhubError as MlhubError
    from .handed import assets as assets
    from .mirror import mirror as mirror
    from .model import Asset as Asset
    from .options import Options as Options
    from .options import RetryPolicy as RetryPolicy
    from .options import Selection as Selection
    from .report import Report as Report
    from .streaming import mirrored as mirrored
    from .verify import verify as verify

_WHERE = {
    "Asset": "model",
    "Client": "client",
    "MlhubError": "errors",
    "Options": "options",
    "Report": "report",
    "RetryPolicy": "options",
    "Selection": "options",
    "assets": "handed",
    "mirror": "mirror",
    "mirrored": "streaming",
    "verify": "verify",
}
__all__ = [  # noqa: PLE0604 - the names are strings
    "__version__",
    "blocking",
    *_WHERE,
]


def __getattr__(name: str) -> Any:
    """Names are imported when they are used: `mlhub-async --help` shall not wait for aiohttp."""
    if name == "blocking":
        return import_module(".blocking", __name__)
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_WHERE[name]}", __name__), name)


class _Package(ModuleType):
    """Keeps `mlhub_async.mirror` the function: importing the module of that name would put it there."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _WHERE and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
