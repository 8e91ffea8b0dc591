"""Errors for a source, or something named by its id, that cannot be had."""

from __future__ import annotations

from collections.abc import Sequence

from .. import stac
from ..core import urls
from ..core.errors import CatalogError, MlhubError, SourceError, TransferError, Transient

DAMAGED = frozenset({"decoding", "not-json", "truncated"})
"""Kinds of errors for documents that were answered, but came broken, the same twice."""
ENOUGH_IDS = 10_000
"""Ids to collect before guessing which one was meant."""


def unreadable(error: TransferError, url: str) -> MlhubError:
    """The error to raise for a root document that could not be read: where, why, and what to do."""
    where = urls.redacted(url)
    if error.kind == "not-json":
        return SourceError(
            f"{where} is not JSON, so it is no catalogue: give the address of a STAC API, "
            "or of its JSON, not of a web page about it",
            kind="not-json",
        )
    if error.denied:
        return stac.access_error(url, error)
    why = error.message.removeprefix(f"{where}: ")
    if isinstance(error, Transient):
        return CatalogError(f"{where} could not be read: {why}; check the address, or run again later")
    return SourceError(f"{where} cannot be read: {why}", kind=error.kind)


def unknown_id(what: str, name: str, ids: Sequence[str], why: str = "") -> SourceError:
    """The error for a `name` that is none of `ids`: it suggests those that resemble it, or else the nearest.

    `what` begins the message ("… has no collection"); `why` is said where there is nothing to suggest.
    """
    folded = {one.casefold(): one for one in ids}

    def nearest(count: int, cutoff: float) -> str:
        from difflib import get_close_matches

        found = get_close_matches(name.casefold(), folded, n=count, cutoff=cutoff)
        return ", ".join(urls.term_safe(folded[one]) for one in found)

    advice = f" ({why})" if why else ""
    if close := nearest(5, 0.5):
        advice = f"; did you mean {close}?"
    elif ids:
        advice = f"; the nearest are {nearest(3, 0)}; mlhub-async ls lists what there is"
    return SourceError(f"{what} {urls.term_safe(name)!r}{advice}", kind="not-found")
