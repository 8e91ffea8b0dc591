"""Hides what it means for the user that the first document of a source could not be read."""

from __future__ import annotations

import os

from .. import stac
from ..core import urls
from ..core.errors import CatalogError, MlhubError, SourceError, TransferError, Transient


def unreadable(error: TransferError, url: str) -> MlhubError:
    """What to raise for it: one line with the place, the trouble and the way out."""
    where = urls.redacted(url)
    if error.kind == "not-json":
        return SourceError(
            f"{where} is not JSON, so it is no catalogue: give the address of a STAC API, "
            "or of its JSON, not of a web page about it",
            kind="not-json",
        )
    if error.status in (401, 403):
        return stac.refused(url, error)
    why = error.message.removeprefix(f"{where}: ")
    if isinstance(error, Transient):
        return CatalogError(f"{where} could not be read: {why}; check the address, or run again later")
    return SourceError(f"{where} cannot be read: {why}", kind=error.kind)


def check_inside(target: str, root: str) -> None:
    """Raises `TransferError` for a file: URL outside the folder of `root`, symbolic links resolved."""
    if not root.startswith("file:"):
        raise TransferError(f"{urls.redacted(target)} is a local file", kind="outside-root")
    folder = os.path.realpath(urls.to_path(root).parent)
    if os.path.commonpath([folder, os.path.realpath(urls.to_path(target))]) != folder:
        raise TransferError(f"{urls.redacted(target)} is outside the catalogue's folder", kind="outside-root")
