"""The STAC in an archive: the documents that its catalogue begins with."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .... import stac
from ....core.errors import TransferError
from ....core.model import CATALOG_FILE, COLLECTION_FILE, Document, Request
from ....stac import DocumentKind
from ...items.streams import RawReader
from .addresses import member_url

NamesEnding = Callable[[str], Iterable[str]]
"""Gives the names of members that end so."""
_ROOTS = (DocumentKind.CATALOG, DocumentKind.COLLECTION)


def root_names(names_ending: NamesEnding) -> list[str]:
    """The names of the catalogues that are nearest to the top, or of such collections if there are none."""
    roots = _named(CATALOG_FILE, names_ending) or _named(COLLECTION_FILE, names_ending)
    depth = min((name.count("/") for name in roots), default=0)
    return sorted(name for name in roots if name.count("/") == depth)


def _named(last: str, names_ending: NamesEnding) -> list[str]:
    return [name for name in names_ending(last) if name[name.rfind("/") + 1 :] == last]


async def read_root(reader: RawReader, names_ending: NamesEnding, base: str) -> Document | None:
    """The document that the STAC in an archive begins with, None where there is no STAC in it.

    Several that lie beside each other are linked by a catalogue that is made for them.
    """
    roots = root_names(names_ending)
    if not roots:
        return None
    try:
        first = await reader.read(Request(member_url(base, roots[0])))
    except TransferError as error:
        if error.kind == "not-json":
            return None
        raise
    if stac.kind_of(first.body) not in _ROOTS:
        return None
    if len(roots) == 1:
        return first
    links = [{"rel": "child", "href": member_url(base, name)} for name in roots]
    made = {"type": "Catalog", "stac_version": "1.0.0", "id": "archive", "description": "", "links": links}
    return Document(made, member_url(base, CATALOG_FILE))
