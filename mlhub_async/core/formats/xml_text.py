"""The parts of XML (1.0, https://www.w3.org/TR/xml/) that the listings of stores are read by.

They are read by patterns: a page has thousands of elements, and its entities could refer to anything.
"""

from __future__ import annotations

import re

_section = re.compile(r"<!\[CDATA\[(.*?)(?:\]\]>|\Z)|<!--.*?(?:-->|\Z)", re.DOTALL)
"""One without an end takes the rest of the text: the page is not whole."""
_prefix = re.compile(r"<(/?)[A-Za-z_][\w.-]*:")
_attributes = re.compile(r"<([A-Za-z_][\w.-]*)\s(?!\s*Encoded\b)[^<>]*?(/?)>")
_reference = re.compile(r"&(?:#([0-9]{1,7})|#x([0-9A-Fa-f]{1,6})|(amp|lt|gt|quot|apos));")
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}


def plain_xml(text: str) -> str:
    """The same elements in the form `<Name>text</Name>`: without CDATA sections, comments, prefixes of names
    and attributes, except `Encoded`."""
    if "<!" in text:
        text = _section.sub(lambda found: escaped(found[1] or ""), text)
    return _attributes.sub(r"<\1\2>", _prefix.sub(r"<\1", text))


def elements(text: str, name: str) -> list[str]:
    """The contents of all elements of this name, none of which is in another one."""
    return [one.partition(f"</{name}>")[0] for one in text.split(f"<{name}>")[1:]]


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unescaped(text: str) -> str:
    """Text with its references replaced. HTML, whose `unescape` Python has, takes 128 to 159 for Windows-1252
    and leaves out control characters, which are legal in the keys of stores."""
    return _reference.sub(_character, text) if "&" in text else text


def _character(found: re.Match[str]) -> str:
    decimal, hexadecimal, name = found.groups()
    if name:
        return _NAMED[name]
    code = int(decimal) if decimal else int(hexadecimal, 16)
    return chr(code) if code < 0xD800 or 0xDFFF < code < 0x110000 else "\ufffd"
