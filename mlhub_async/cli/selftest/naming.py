"""Which names a file system takes, and which it takes for one and the same."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ...core.urls import term_safe
from ...storage.naming import LONGEST, fold, safe_component
from .checks import Check, Finding
from .filesystem import ELSEWHERE, opened

CASES = (
    ("a", "A"),
    ("\u00e9", "\u00c9"),
    ("\u00df", "\u1e9e"),
    ("\u03c3", "\u03c2"),
    ("K", "\u212a"),
    ("ss", "\u00df"),
    ("s", "\u017f"),
    ("i", "\u0131"),
    ("fi", "\ufb01"),
)
FORMS = (("\u00e9", "e\u0301"), ("\u1e69", "s\u0323\u0307"), ("\uac00", "\u1100\u1161"))
HARD = ("con", "a:b*c?d", "trailing.", "new\nline", "../out", "日本語", "%2F", "-rf", "a\\b")
LEVELS = 3


def alike(place: Path, pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those pairs of which the second name is that of the first one's file."""
    found = []
    for number, (one, other) in enumerate(pairs):
        folder = place / str(number)
        folder.mkdir(parents=True)
        (folder / one).write_bytes(b"")
        if (folder / other).exists():
            found.append((one, other))
    return found


def collides(place: Path) -> Finding:
    """Names that are one to the file system have to be one to the ledger, which then tells them apart."""
    cases, forms = alike(place / "case", CASES), alike(place / "form", FORMS)
    if missed := [pair for pair in cases + forms if fold(pair[0]) != fold(pair[1])]:
        shown = " and ".join(ascii(name) for name in missed[0])
        return Finding(f"{shown} are one file here, which the ledger does not know", good=False)
    told = ["upper and lower case", "composed and decomposed letters"]
    merged = [words for words, found in zip(told, (cases, forms), strict=True) if found]
    if merged:
        return Finding(f"{' and '.join(merged)} are one name here: whatever collides is named apart")
    return Finding("upper and lower case differ, so do composed letters: nothing collides here")


def takes_names(place: Path) -> Finding:
    """Names as catalogues have them, made safe as a run does it."""
    with opened(place) as store:
        for number, name in enumerate(HARD):
            path = f"{number}/{safe_component(name)}"
            store.write_document(path, b"x")
            if store.found(path) is None or os.listdir(place / str(number)) == []:
                return Finding(f"{term_safe(path)} was written and is not there", good=False)
    return Finding(f"{len(HARD)} hard ones written as they are made safe here")


def takes_long_names(place: Path) -> Finding:
    """The longest path that the default template makes: three levels of the longest component."""
    path = "/".join([(letter * LONGEST) for letter in "cik"[:LEVELS]])
    with opened(place) as store:
        store.write_document(path, b"x")
        there = store.found(path) is not None
    return Finding(f"{LEVELS} levels of {LONGEST} bytes {'hold' if there else 'are lost'}", good=there)


CHECKS = (
    Check("names that collide", collides, ELSEWHERE),
    Check("unusual names", takes_names, "assets whose names it refuses will fail", matters=False),
    Check("long names", takes_long_names, "assets with long ids will fail here", matters=False),
)
