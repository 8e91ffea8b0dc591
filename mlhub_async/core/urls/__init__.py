"""Hides what a URL is made of: how a catalogue's is read, what identifies it, what of it may be shown.

`parse` is the gate. Everything else expects a URL that came through it; only `redacted` and `term_safe`
take any text at all, since errors have to name what did not come through.
"""

from .identity import canonical, expiring, public, unsigned, with_query, without, without_values
from .parsing import Origin, filename, from_path, origin, parse, suffix, to_path
from .redaction import inert, inert_json, redacted, term_safe, without_user

__all__ = [
    "Origin",
    "canonical",
    "expiring",
    "filename",
    "from_path",
    "inert",
    "inert_json",
    "origin",
    "parse",
    "public",
    "redacted",
    "suffix",
    "term_safe",
    "to_path",
    "unsigned",
    "with_query",
    "without",
    "without_user",
    "without_values",
]
