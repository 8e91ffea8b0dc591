"""Hides what it means for the user that the first document of a source could not be read."""

from __future__ import annotations

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
