"""The errors of archives that cannot be read."""

from __future__ import annotations


class ArchiveDefect(Exception):
    """The archive is not what its format says. The message goes on after the archive's name."""


class ArchiveCut(ArchiveDefect):
    """Bytes are missing at its end, as after an upload or a copy that broke off."""
