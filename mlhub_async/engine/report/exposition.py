"""The text exposition format of Prometheus (version 0.0.4): writes samples, and reads what it has written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

Labels = tuple[tuple[str, str], ...]
"""Names and values, in the order in which they are written."""


class Family(NamedTuple):
    """All samples of one name: `kind` is "counter" or "gauge", `text` the line for people."""

    name: str
    kind: str
    text: str


class Series(NamedTuple):
    """What one sample is of."""

    name: str
    labels: Labels


Samples = dict[Series, float]

_LINE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)')
_ESCAPES = {"\\": r"\\", '"': r"\"", "\n": r"\n"}
_escaped = re.compile(r"\\([\\\"n])")


def render(families: Iterable[Family], samples: Mapping[Series, float]) -> bytes:
    """The samples as text: families in this order, each with its HELP and TYPE; those without samples not."""
    by_name: dict[str, list[str]] = {}
    for (name, labels), value in samples.items():
        by_name.setdefault(name, []).append(f"{name}{_label_text(labels)} {_number(value)}\n")
    pieces: list[str] = []
    for name, kind, text in families:
        if lines := by_name.get(name):
            pieces += (f"# HELP {name} {text}\n", f"# TYPE {name} {kind}\n", *lines)
    return "".join(pieces).encode("utf-8", "backslashreplace")


def parse(content: bytes) -> Samples:
    """The samples of a text that `render` has written. Raises `ValueError` for what it has not."""
    found: Samples = {}
    for line in content.decode().split("\n"):
        if not line or line.startswith("#"):
            continue
        if (parts := _LINE.fullmatch(line)) is None:
            raise ValueError(f"not a sample: {line[:80]!r}")
        found[Series(parts[1], tuple(_labels(parts[2] or "")))] = float(parts[3])
    return found


def _labels(text: str) -> Iterator[tuple[str, str]]:
    position = 0
    while position < len(text):
        if (found := _LABEL.match(text, position)) is None:
            raise ValueError(f"not labels: {text[:80]!r}")
        yield found[1], _escaped.sub(lambda one: "\n" if one[1] == "n" else one[1], found[2])
        position = found.end()


def _label_text(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in labels) + "}"


def _escape(value: str) -> str:
    return "".join(_ESCAPES.get(char, char) for char in value)


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
