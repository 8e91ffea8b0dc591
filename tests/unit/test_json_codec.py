"""The two codecs for JSON, orjson and the standard library, take, refuse and write the same."""

import datetime
import math
import struct
import uuid
from collections import OrderedDict
from enum import Enum
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlhub_async.core.json_text import codec, standard

orjson = pytest.importorskip("orjson", reason="nothing to compare with")


def nested(opening: bytes, levels: int, closing: bytes) -> bytes:
    return opening * levels + b"1" + closing * levels


READ = {
    "minus zero": b"[-0, -0.0, 0e1]",
    "largest integers": b"[18446744073709551615, -9223372036854775808]",
    "larger integers": b"[18446744073709551616, -9223372036854775809, 99999999999999999999999]",
    "floats": b"[1E5, 1.0, 0.1e1, 1e-400, 1.7976931348623157e308, 5e-324]",
    "one member twice": b'{"a": 1, "b": 2, "a": 3}',
    "a pair of surrogates": rb'"\ud83d\ude00 \uD83D\uDE00"',
    "an escaped backslash before u": rb'"\\ud800"',
    "NUL, DEL, line separator": b'"\\u0000\x7f\xe2\x80\xa8"',
    "names with escapes": rb'{"\u0061": {"\n": []}}',
    "space": b" \r\n\t[ ] \n",
    "deep": nested(b"[", 500, b"]"),
    "deep objects": nested(b'{"a":', 500, b"}"),
    "wide": b"[" + b"[],{}," * 2000 + b"1]",
    "brackets in text": b'["' + b"[{" * 2000 + b'"]',
    "scalars": b"[true, false, null]",
}
REFUSED = {
    "nothing": b"",
    "space alone": b" ",
    "NaN": b'{"a": "NaN",\n "b": [NaN]}',
    "Infinity": b"[1, Infinity]",
    "minus Infinity": b"[-Infinity]",
    "an endless float": b"[1, 1e400]",
    "an endless integer": b"1" * 310,
    "5000 digits": b"[" + b"1" * 5000 + b"]",
    "leading zero": b"01",
    "no integer part": b".5",
    "no fraction": b"[5.]",
    "plus": b"+1",
    "byte order mark": b"\xef\xbb\xbf1",
    "lone high surrogate": rb'["\ud800"]',
    "lone low surrogate": rb'["\udc00\ud800"]',
    "surrogate in a name": rb'{"\ud800": 1}',
    "surrogate in UTF-8": b'"\xed\xa0\x80"',
    "no UTF-8": b'["a\xff"]',
    "UTF-16": '{"id": "i"}'.encode("utf-16"),
    "control character": b'"\x01"',
    "line end in text": b'"a\nb"',
    "vertical tab": b"\x0b1",
    "no-break space": "[1]\u00a0".encode(),
    "other digits": "\u0661".encode(),
    "two values": b"1 2",
    "NUL after it": b"1\x00",
    "trailing comma": b'[1, 2,\n {"a": 1,}]',
    "single quotes": b"{'a': 1}",
    "comment": b"[1, // one\n 2]",
    "a number as name": b"{1: 2}",
    "cut": b'{"a": [1',
    "cut in text": b'["ab',
    "cut literal": b"nul",
    "bad escape": rb'"\x41"',
    "too deep": nested(b"[", 1025, b"]"),
    "too deep objects": nested(b'{"a":', 1025, b"}"),
}


@pytest.mark.parametrize("name", READ)
def test_both_read_the_same_value(name):
    expected = orjson.loads(READ[name])
    for found in (standard.loads(READ[name]), standard.loads(READ[name].decode()), codec.loads(READ[name])):
        assert found == expected
        if name not in ("deep", "deep objects"):
            assert repr(found) == repr(expected)


@pytest.mark.parametrize("name", REFUSED)
def test_both_refuse_it(name):
    for loads in (orjson.loads, standard.loads, codec.loads):
        with pytest.raises(codec.JSONDecodeError):
            loads(REFUSED[name])


@pytest.mark.parametrize("name", ["NaN", "an endless float", "trailing comma", "comment"])
def test_both_name_the_same_place(name):
    places = []
    for loads in (orjson.loads, standard.loads):
        with pytest.raises(codec.JSONDecodeError) as raised:
            loads(REFUSED[name])
        places.append((raised.value.lineno, raised.value.colno))
    assert places[0] == places[1]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


@given(JSON, st.booleans(), st.booleans())
def test_both_write_the_same_bytes(value, indent, sort_keys):
    choices = {"indent": indent, "sort_keys": sort_keys}
    assert standard.dumps(value, **choices) == codec.dumps(value, **choices)
    option = (orjson.OPT_INDENT_2 if indent else 0) | (orjson.OPT_SORT_KEYS if sort_keys else 0)
    assert standard.dumps(value, **choices) == orjson.dumps(value, option=option)


@given(st.binary(min_size=8, max_size=8))
def test_both_write_the_same_float(raw):
    (value,) = struct.unpack("d", raw)
    assert standard.dumps(value) == orjson.dumps(value)


@given(st.floats(1e-8, 1e-2) | st.floats(1e14, 1e25), st.sampled_from([1, -1]))
def test_both_write_the_same_float_where_exponents_begin(value, sign):
    assert standard.dumps(sign * value) == orjson.dumps(sign * value)


@given(st.text('[]{}",:\\ ud8c0aNe1-+.\n\t', max_size=30))
def test_both_take_or_refuse_the_same_text(text):
    outcomes = []
    for loads in (orjson.loads, standard.loads):
        try:
            outcomes.append(repr(loads(text)))
        except codec.JSONDecodeError:
            outcomes.append("refused")
    assert outcomes[0] == outcomes[1]


class Colour(Enum):
    RED = (1e-5, "a")


class Text(str):
    """A text of a type of its own."""


class Pair(NamedTuple):
    one: int
    other: int


ODD = {
    "tuple": (1, (2, [])),
    "subclasses": OrderedDict(a=Text("x"), b=True),
    "name of another type": {Text("k"): 1},
    "times": [
        datetime.datetime(2020, 1, 2, 3, 4, 5),
        datetime.datetime(2020, 1, 2, 3, 4, 5, 6, datetime.UTC),
        datetime.date(2020, 1, 2),
        datetime.time(1, 2),
    ],
    "time with a zone": datetime.time(1, 2, tzinfo=datetime.UTC),
    "UUID": uuid.UUID(int=7),
    "Enum": [Colour.RED],
    "no number": [math.nan, math.inf, -math.inf],
    "number as a name": {1: 2},
    "None as a name": {None: 2},
    "set": {1},
    "bytes": b"x",
    "named tuple": Pair(1, 2),
    "too large": 1 << 64,
    "too small": [-(1 << 63) - 1],
    "half a character": {"a": ["\ud800"]},
    "half a character in a name": {"\ud800": 1},
}


@pytest.mark.parametrize("default", [None, str, lambda value: [repr(value), 1e-5]])
@pytest.mark.parametrize("name", ODD)
def test_both_write_or_refuse_odd_values_alike(name, default):
    outcomes = []
    for dumps in (orjson.dumps, standard.dumps, codec.dumps):
        try:
            outcomes.append(dumps(ODD[name], default=default))
        except TypeError:
            outcomes.append(b"refused")
    assert outcomes[0] == outcomes[1] == outcomes[2]


@pytest.mark.parametrize("wrap", [lambda value: [value], lambda value: {"a": value}])
@pytest.mark.parametrize("levels", [254, 255])
def test_both_write_as_many_levels(wrap, levels):
    value: object = 1
    for _ in range(levels):
        value = wrap(value)
    for dumps in (orjson.dumps, standard.dumps):
        if levels == 254:
            assert dumps(value).count(b"1") == 1
        else:
            with pytest.raises(TypeError):
                dumps(value)
