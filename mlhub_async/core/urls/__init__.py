"""URLs: how they are parsed, what they identify, and what of them may be shown.

Every URL of a catalogue or a user goes through `parse` first, and the other functions take what it
returned. Only `redacted`, `term_safe` and the `escape_…` functions take any text: errors have to name
what `parse` refused.
"""

from .identity import (
    canonical,
    is_expiring,
    split_shared_access,
    with_parameter,
    without_credentials,
    without_parameter_values,
    without_parameters,
    without_secrets,
)
from .parsing import Origin, filename, from_path, origin, parse, suffix, to_path
from .redaction import escape_controls, escape_json_controls, redacted, term_safe, without_user

__all__ = [
    "Origin",
    "canonical",
    "escape_controls",
    "escape_json_controls",
    "filename",
    "from_path",
    "is_expiring",
    "origin",
    "parse",
    "redacted",
    "split_shared_access",
    "suffix",
    "term_safe",
    "to_path",
    "with_parameter",
    "without_credentials",
    "without_parameter_values",
    "without_parameters",
    "without_secrets",
    "without_user",
]
