"""What a file is, by its first bytes, that is not the archive which its name says."""

from __future__ import annotations

from ..kinds import recognised
from .tar_stream import is_tar

_LOCAL_HEADER = b"PK\3\4"
_PAGES = (b"<!doctype", b"<html", b"<head", b"<?xml")


def may_be_zip(first: bytes) -> bool:
    """Whether a file without the directory of a ZIP may be one that is cut: a member begins in its first
    bytes, at their start or behind a program that unpacks it."""
    return _LOCAL_HEADER in first or (
        len(first) < len(_LOCAL_HEADER) and _LOCAL_HEADER.startswith(first or b"-")
    )


def other_content(first: bytes) -> str:
    """What the file is, and its right name where it is an archive of another kind; "" if that is unknown."""
    if not first:
        return "it is empty"
    if is_tar(first):
        return "it is a tar archive: name it .tar"
    if first.lstrip()[:9].lower().startswith(_PAGES):
        return "it is a page of HTML or XML"
    if first.startswith(_LOCAL_HEADER):
        return "it is a ZIP archive: name it .zip"
    kind = recognised(first)
    return f"it is {kind.name}" if kind is not None else ""


def with_reason(what: str, first: bytes) -> str:
    """The words for a file that is not what its name says: what it is not, and what it is."""
    found = other_content(first)
    return f"{what}: {found}" if found else what
