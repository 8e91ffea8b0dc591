"""Recognises assets that are directories: a Zarr store, a SAFE product, anything with a slash at its end.

No server sends a directory as one body. What comes in its place is a page that lists it, the answer of an
object store, or nothing at all: none of these is the asset.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import NamedTuple

from ..errors import TransferError, Transient
from ..urls import redacted
from . import kinds
from .sniffing import directory_listing, unexpected_text

ZARR = "a Zarr store"
SAFE = "a SAFE product"
DIRECTORY = "a directory"
"""An href that ends in a slash, and says nothing else. It may be that of a file: the answer decides."""
_ENDS = {".zarr": ZARR, ".zarr/": ZARR, ".SAFE": SAFE, ".SAFE/": SAFE, "/": DIRECTORY}
"""Ends of paths. In small letters it is a file of a SAFE product, manifest.safe."""
_ALL_ENDS = tuple(_ENDS)
_LINE_ENDS = ("/\n", ".zarr\n", ".SAFE\n")
_ZARR_TYPES = frozenset(
    {"application/vnd+zarr", "application/vnd.zarr", "application/x-zarr", "application/zarr"}
)


def kind_of_directory(href: str, media_type: str | None) -> str:
    """The kind of directory that an href leads to: ZARR, SAFE or DIRECTORY; "" if it leads to a file.

    The media type of a file counts more than the name: a server may pack a directory. So does the suffix of
    a file of a Zarr store (zarr.json), or of an archive of one.
    """
    may_declare_zarr = media_type is not None and "zarr" in media_type.lower()
    if not (may_declare_zarr or href.endswith(_ALL_ENDS) or "?" in href or "#" in href):
        return ""  # nearly all assets
    path = _path(href)
    declares_zarr = media_type is not None and _bare(media_type) in _ZARR_TYPES
    if declares_zarr and kinds.of_suffix(path.removesuffix("/")) in (None, kinds.TEXT, kinds.PAGE):
        return ZARR
    if declares_zarr or not path.endswith(_ALL_ENDS) or kinds.of_media_type(media_type) is not None:
        return ""
    return next(kind for end, kind in _ENDS.items() if path.endswith(end))


def may_be_directories(hrefs: Sequence[str], media_types: Set[object]) -> bool:
    """Whether `kind_of_directory` has to be asked of these hrefs: not of those of nearly every item.

    Raises `TypeError` where one is no text.
    """
    lines = "\n".join(hrefs) + "\n"
    has_marks = "?" in lines or "#" in lines
    return has_marks or any([end in lines for end in _LINE_ENDS]) or "zarr" in str(media_types).lower()


def directory_suffix(href: str, media_type: str | None) -> str:
    """The suffix that the name of such a directory has."""
    kind = kind_of_directory(href, media_type)
    return {ZARR: ".zarr", SAFE: ".SAFE"}.get(kind, "")


def member_media_type(path: str) -> str | None:
    """What no suffix tells of a file of a directory: that it is JSON, or may be anything but a page."""
    if path.rpartition("/")[2] in (".zgroup", ".zarray", ".zattrs", ".zmetadata"):
        return "application/json"
    return None if kinds.of_suffix(path) is not None else kinds.ANY_DATA


class Answer(NamedTuple):
    """What came for an asset: the first bytes, `SNIFF_BYTES` or all that there are, and whence."""

    first: bytes
    url: str
    content_type: str = ""


def listed_instead(answer: Answer, href: str, media_type: str | None, path: str) -> str:
    """What a server sent in place of a directory ("HTML" ...); "" if it may be the asset itself.

    `path` is that of the file. A redirect to the same URL with a slash leads to a directory as well.
    """
    kind = kind_of_directory(href, media_type)
    if not kind and (kinds.declared(path, media_type) or not _is_slash_added(href, answer.url)):
        return ""
    if not answer.first:
        return "nothing"
    if kind in (ZARR, SAFE):
        return unexpected_text(answer.first, "x.tif", None, answer.content_type)
    return directory_listing(answer.first, answer.content_type)


def directory_error(name: str, key: str, href: str, media_type: str | None, found: str) -> TransferError:
    """The refusal of an asset that is a directory. `name`: its URL as it may be shown; `found`: what came."""
    kind = kind_of_directory(href, media_type) or DIRECTORY
    words = f"{name}: it is {kind}, and the server sent {found} instead of its files"
    if kind == ZARR:
        words += "; they are known where the store has consolidated metadata"
    return TransferError(f"{words}; -x {key} leaves it out", kind="directory")


def unlisted_error(href: str, key: str, media_type: str | None, error: TransferError) -> TransferError:
    """`error`, which came when the files of a directory were listed, with the name and the kind of that.

    Another run may list it where `error` is temporary.
    """
    kind = kind_of_directory(href, media_type) or DIRECTORY
    reason = error.message.removeprefix(f"{redacted(href)}: ")
    words = f"{redacted(href)}: it is {kind} whose files cannot be listed: {reason}"
    if error.retryable:
        return Transient(words, kind=error.kind)
    return TransferError(f"{words}; -x {key} leaves it out", kind="directory")


def _path(url: str) -> str:
    return url.partition("#")[0].partition("?")[0]


def _bare(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()


def _is_slash_added(href: str, url: str) -> bool:
    """Whether two URLs differ in a slash at the end of the path, and perhaps in the scheme."""
    return _path(url).partition(":")[2] == _path(href).partition(":")[2] + "/"
