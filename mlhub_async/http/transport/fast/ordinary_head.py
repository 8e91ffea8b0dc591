"""Parses the head of an ordinary response: a 200 in the one form that nearly every server uses.

It accepts less than `head.ResponseParser` does, and what it accepts means the same there, at a quarter
of the cost. Every other head is left to that parser.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from ....core.checksum import DIGEST_FIELDS
from .head import END_OF_HEAD, MAX_CACHED_FIELD_NAMES, MAX_FIELDS

STATUS_LINE = b"HTTP/1.1 200 "
MAX_ORDINARY_DIGITS = 7
MAX_FORMS = 4
"""Forms of heads that are known of one server. Heads of any further one are parsed field by field."""
_FRAMING_FIELDS = frozenset({"transfer-encoding", "upgrade", "proxy-connection", "trailer"})
"""Fields that change how the body is read, or what may follow it."""
_ODD_FIELDS = _FRAMING_FIELDS | DIGEST_FIELDS | {"content-encoding", "content-range"}
"""The same, and fields that change what its bytes are or say what they must be."""
_PRINTABLE = bytes(range(0x20, 0x7F))
_LINE_ENDS = frozenset(b"\r\n" * count for count in range(MAX_FIELDS + 3))
_is_token = re.compile("[!#$%&'*+.^_`|~0-9A-Za-z-]++").fullmatch
_FIELD_NAMES: dict[str, str] = {}
"""Cache of the names of ordinary fields: as received, and in lower case."""
_VALUE = "((?:[!-~][ -~]*+(?<! ))?+)"
"""The value of a field, without spaces around it. Nothing in it is tried twice."""


class _Form(NamedTuple):
    """What the heads with the same fields in the same order have in common.

    `match`: matches such a head, with the values as groups; `length`: the index of that of Content-Length.
    """

    match: Callable[[str], re.Match[str] | None]
    names: tuple[str, ...]
    length: int


class OrdinaryHeads:
    """Parses the heads of one server. Most have the fields of an earlier one, in the same order."""

    def __init__(self) -> None:
        self._forms: list[_Form] = []

    def parse(self, head: bytes) -> tuple[dict[str, str], int] | None:
        """See `parse_ordinary`."""
        text = head.decode("latin-1")
        for form in self._forms:
            if (found := form.match(text)) is not None:
                values = found.groups()
                size = int(values[form.length])
                return (dict(zip(form.names, values, strict=True)), size) if size else None
        parsed = parse_ordinary(head)
        if parsed is not None and len(self._forms) < MAX_FORMS:
            self._forms.append(_form_of(text, list(parsed[0])))
        return parsed


def _form_of(head: str, names: list[str]) -> _Form:
    """The form of a head that `parse_ordinary` accepts. `names`: those of its fields, in lower case.

    A value that `parse_ordinary` depends on must be the same in each head of the form.
    """
    lines = [r"HTTP/1\.1 200 [ -~]*"]
    for name, line in zip(names, head.split("\r\n")[1:], strict=False):
        written, _, value = line.partition(": ")
        known = {
            "content-length": rf"([0-9]{{1,{MAX_ORDINARY_DIGITS}}})",
            "connection": f"({re.escape(value)})",
        }
        lines.append(f"{re.escape(written)}: {known.get(name, _VALUE)}")
    match = re.compile("\r\n".join(lines) + re.escape(END_OF_HEAD.decode())).fullmatch
    return _Form(match, tuple(names), names.index("content-length"))


def parse_ordinary(head: bytes) -> tuple[dict[str, str], int] | None:
    """Fields by lower-case name, and the length of the body, which is not 0; None for any other head.

    `head`: from the status line to the empty line, inclusive.
    """
    rest = head.translate(None, _PRINTABLE)
    if not head.startswith(STATUS_LINE) or rest not in _LINE_ENDS:
        return None
    lines = head[: -len(END_OF_HEAD)].decode("ascii").split("\r\n")
    fields: dict[str, str] = {}
    for line in lines[1:]:
        name, separator, value = line.partition(": ")
        field = _FIELD_NAMES.get(name) or _lower(name)
        if not (separator and field):
            return None
        fields[field] = value.strip(" ")
    length = fields.get("content-length", "")
    whole = len(rest) == 2 * (len(lines) + 1) and len(fields) == len(lines) - 1
    if not whole or fields.get("connection", "keep-alive").lower() != "keep-alive":
        return None
    size = int(length) if length.isdigit() and len(length) <= MAX_ORDINARY_DIGITS else 0
    return (fields, size) if size else None


def _lower(name: str) -> str:
    """The name in lower case; "" where it is no token (RFC 9110 section 5.1), or that of an odd field."""
    field = name.lower()
    if not _is_token(name) or field in _ODD_FIELDS:
        return ""
    if len(_FIELD_NAMES) < MAX_CACHED_FIELD_NAMES:
        _FIELD_NAMES[name] = field
    return field
