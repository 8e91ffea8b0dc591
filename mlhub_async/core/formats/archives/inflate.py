"""The library that unpacks DEFLATE: zlib-ng where it is installed, which takes half the time; else zlib.

Both have one interface, the same checks and the same messages.
"""

from __future__ import annotations

import importlib
import zlib
from functools import cache
from typing import Any


@cache
def library() -> Any:
    """The module, which has `decompressobj`, `crc32` and `error` as zlib has."""
    try:
        return importlib.import_module("zlib_ng.zlib_ng")
    except ImportError:
        return zlib
