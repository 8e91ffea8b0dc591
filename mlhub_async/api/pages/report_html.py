"""The report of a mirror: one page of HTML that needs nothing else, neither files nor a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ... import __version__
from ...core.telemetry import human_size
from .charts.columns import Column, columns
from .charts.coverage import coastlines, coverage_maps
from .charts.projection import WIDTH
from .environment import template
from .facts.contents import ClassFacts, CollectionFacts, Contents
from .facts.gathering import MirrorFacts, gather
from .facts.history import Throughput
from .facts.periods import Period, periods

MAX_COLLECTIONS = 1_000
MAX_CLASSES = 60
"""Rows of a table; the number of the others is said."""


class Link(NamedTuple):
    """A link at the top of a page."""

    href: str
    text: str


def report_html(
    dest: Path, *, links: Sequence[Link] = (), collection_href: Callable[[str], str] | None = None
) -> str:
    """The report of the mirror at `dest`, which may be in use. Blocks: about 10 s for 100,000 items.

    `links` are put at the top of the page; `collection_href` gives the address of a collection's page by its
    id. Raises `UsageError` if there is no mirror, `StorageError` if its ledger is broken or cannot be read.
    """
    facts = gather(dest)
    page = template("mirror.html").render(context_of(facts), links=links, collection_href=collection_href)
    return str(page)


def report_page(dest: str | Path) -> str:
    """The report of a mirror as one page of HTML, complete in itself. Blocks while documents are read.

    Raises `UsageError` if there is no mirror at `dest`, `StorageError` if it cannot be read.
    """
    return report_html(Path(dest))


def context_of(facts: MirrorFacts) -> dict[str, Any]:
    """What the template of a report is filled with."""
    contents = facts.contents
    spans = periods(contents.months)
    return {
        "facts": facts,
        "version": __version__,
        "collections": _collections(contents),
        "more_collections": max(len(contents.collections) - MAX_COLLECTIONS, 0),
        "maps": coverage_maps(contents.footprints),
        "map_width": WIDTH,
        "land": coastlines(),
        "periods": spans,
        "period_columns": _period_columns(spans),
        "classes": _classes(contents),
        "more_classes": max(len(contents.classes) - MAX_CLASSES, 0),
        "throughput_columns": _throughput_columns(facts.throughput),
    }


def _collections(contents: Contents) -> list[CollectionFacts]:
    return list(contents.collections.values())[:MAX_COLLECTIONS]


def _classes(contents: Contents) -> list[tuple[str, ClassFacts]]:
    """The most frequent classes."""
    ranked = sorted(contents.classes.items(), key=lambda one: (-one[1].items, -one[1].counted, one[0]))
    return ranked[:MAX_CLASSES]


def _period_columns(spans: list[Period]) -> list[Column]:
    labels = [f"{name}: {totals.items} items, {human_size(totals.bytes)}" for name, totals in spans]
    return columns([totals.items for _, totals in spans], labels)


def _throughput_columns(found: Throughput) -> list[Column]:
    """Columns of bytes per second."""
    step = found.step_seconds
    labels = [
        f"{step * at:.0f} s to {step * (at + 1):.0f} s: {files} files, {human_size(size / step)}/s"
        for at, (files, size) in enumerate(zip(found.files, found.bytes, strict=True))
    ]
    return columns(found.bytes, labels)
