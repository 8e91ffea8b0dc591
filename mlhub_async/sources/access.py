"""Addresses that the user gave, and errors for a source, or something named by its id, that cannot be had."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .. import stac
from ..core import urls
from ..core.errors import (
    CatalogDefect,
    CatalogError,
    MlhubError,
    SourceError,
    TransferError,
    Transient,
    UsageError,
)

DAMAGED = frozenset({"decoding", "not-json", "truncated"})
"""Kinds of errors for documents that were answered, but came broken, the same twice."""
OTHER_ARCHIVES = (".7z", ".bz2", ".gz", ".lz4", ".rar", ".tbz2", ".txz", ".xz", ".zst")
"""Suffixes of archives and compressed files that are no SOURCE."""
ENOUGH_IDS = 10_000
"""Ids to collect before guessing which one was meant."""


def unreadable(error: TransferError, url: str) -> MlhubError:
    """The error to raise for a root document that could not be read: where, why, and what to do."""
    where = urls.redacted(url)
    if error.kind == "not-json" and url.partition("?")[0].lower().endswith(OTHER_ARCHIVES):
        return SourceError(
            f"{where} is an archive or a compressed file of a kind that is not read (.zip, .tar, .tar.gz and "
            ".tar.zst are): unpack it, and give the path of the folder",
            kind="unread-archive",
        )
    if error.kind == "not-json":
        _, _, reason = error.message.removesuffix(", the same twice").partition("the answer is not JSON ")
        advice = "give the address of a STAC API, or of its JSON, not of a web page about it"
        return SourceError(
            f"{where} is not JSON{reason and ' '}{reason}, so it is no catalogue: {advice}", kind="not-json"
        )
    if error.denied:
        return stac.access_error(url, error)
    why = error.message.removeprefix(f"{where}: ")
    if isinstance(error, Transient):
        return CatalogError(f"{where} could not be read: {why}; check the address, or run again later")
    return SourceError(f"{where} cannot be read: {why}", kind=error.kind)


def broken_listing(error: MlhubError, words: str) -> CatalogError:
    """The error to raise where a listing ends at a document or page that could not be read.

    Its exit code: 5 where another run may read it, 4 where it would meet the same.
    """
    return (CatalogError if error.retryable else CatalogDefect)(f"{words}: {error.message}")


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


def user_url(text: str, name: str) -> str:
    """A URL that the user gave as `name`, parsed. Raises `UsageError` for what is none."""
    if "://" not in text and not text.lower().startswith("file:"):
        raise UsageError(f"{name} {urls.redacted(text)}: write it as an address, with https://")
    try:
        parsed = urls.parse(text)
        urls.origin(parsed)
    except TransferError as error:
        reason = error.message.removeprefix("the href ")
        shown = "" if urls.redacted(text) in reason else f"{urls.redacted(text)} "
        raise UsageError(f"{name} {shown}{reason}") from None
    return parsed


def user_origins(given: Iterable[str]) -> frozenset[str]:
    """The origins that the user trusts (`--allow-origin`). Raises `UsageError`."""
    return frozenset(str(urls.origin(user_url(one, "--allow-origin"))) for one in given)
