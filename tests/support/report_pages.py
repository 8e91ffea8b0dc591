"""Reads a report as a parser of HTML sees it: which elements, which attributes, which text is in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "img", "input", "hr"}


@dataclass
class Element:
    """One element with its attributes, and the text in it and in all elements in it."""

    name: str
    attributes: dict[str, str]
    parent: Element | None = None
    text: str = ""
    inside: list[Element] = field(default_factory=list)


class Page(HTMLParser):
    """The elements of a page in their order. Raises AssertionError for tags that do not match."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(html)
        self.close()
        assert not self._open, [one.name for one in self._open]

    def handle_starttag(self, tag, attrs):
        parent = self._open[-1] if self._open else None
        element = Element(tag, {name: value or "" for name, value in attrs}, parent)
        self.elements.append(element)
        for one in self._open:
            one.inside.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag):
        assert self._open and self._open[-1].name == tag, (tag, self.getpos())
        self._open.pop()

    def handle_data(self, data):
        for one in self._open:
            one.text += data

    def all(self, name: str, **attributes: str) -> list[Element]:
        """The elements of this name with all of these attributes; `class_` is for one class of several."""
        wanted = attributes.pop("class_", None)
        return [
            one
            for one in self.elements
            if one.name == name
            and attributes.items() <= one.attributes.items()
            and (wanted is None or wanted in one.attributes.get("class", "").split())
        ]

    @property
    def text(self) -> str:
        """What a reader sees, and titles of shapes."""
        return self.all("body")[0].text

    def value(self, term: str) -> str:
        """The definition of a term."""
        at = next(n for n, one in enumerate(self.elements) if one.name == "dt" and one.text == term)
        return next(one.text for one in self.elements[at:] if one.name == "dd")
