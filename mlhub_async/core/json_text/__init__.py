"""JSON texts (RFC 8259): the one place that knows the library which reads and writes them."""

from .codec import JSONDecodeError, dumps, loads
from .tolerant import (
    BYTE_ORDER_MARK,
    RepeatedNameError,
    decode_next,
    encode_json,
    parse_json,
    parse_json_with_nan,
    with_whole_characters,
)

__all__ = [
    "BYTE_ORDER_MARK",
    "JSONDecodeError",
    "RepeatedNameError",
    "decode_next",
    "dumps",
    "encode_json",
    "loads",
    "parse_json",
    "parse_json_with_nan",
    "with_whole_characters",
]
