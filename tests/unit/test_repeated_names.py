"""JSON texts in which members of one object have one name: parsers keep the last and lose the others."""

import json

import pytest

from mlhub_async.core.json_text import RepeatedNameError, decode_next, parse_json
from support.stac_server import stac_item

ITEM = stac_item("one", a="a.tif", b="b.tif")
LINK = {"rel": "item", "href": "one.json"}


def text(value, *renamed):
    """The JSON text, with the name before each `=` replaced by that behind it."""
    found = json.dumps(value)
    for pair in renamed:
        old, new = pair.split("=")
        found = found.replace(f'"{old}":', f'"{new}":')
    return found.encode()


LOST = {
    "assets of one key": text(ITEM, "b=a"),
    "assets twice": text({**ITEM, "more": {"c": {"href": "c.tif"}}}, "more=assets"),
    "assets twice, the last empty": text({**ITEM, "more": {}}, "more=assets"),
    "links twice": text({"type": "Catalog", "id": "c", "links": [LINK], "more": []}, "more=links"),
    "an href twice": text({"assets": {"a": {"href": "a.tif", "more": "b.tif"}}}, "more=href"),
    "in a page": text({"type": "FeatureCollection", "features": [ITEM, ITEM]}, "b=a"),
    "features twice": text({"features": [ITEM], "more": [ITEM, stac_item("two")]}, "more=features"),
    "in a list": text([ITEM, ITEM], "b=a"),
    "alternates of one key": text(
        {"assets": {"a": {"href": "a", "alternate": {"x": {"href": "b"}, "y": {"href": "c"}}}}}, "y=x"
    ),
    "with half a character": text({**ITEM, "title": "\ud800"}, "b=a"),
}
KEPT = {
    "nothing repeated": text(ITEM),
    "the same twice": text({"assets": {"a": {"href": "a.tif"}, "b": {"href": "a.tif"}}}, "b=a"),
    "a number twice": text({**ITEM, "x": 1, "y": 2}, "y=x"),
    "hrefs elsewhere": text({**ITEM, "properties": {"href": "x"}, "other": [[{"href": "y"}]]}),
    "the word as a value": text({**ITEM, "names": ["href", "href"]}),
    "no hrefs": text({"a": [1], "b": [2]}, "b=a"),
    "alternates": text({"assets": {"a": {"href": "a", "alternate": {"x": {"href": "b"}}}}}),
    "odd types": text({"links": {"href": "a"}, "assets": [{"href": "b"}], "features": {"href": "c"}}),
}


@pytest.mark.parametrize("case", LOST)
def test_what_would_be_lost_is_told(case):
    with pytest.raises(RepeatedNameError, match="several members of the name"):
        parse_json(LOST[case])
    with pytest.raises(RepeatedNameError):
        decode_next(LOST[case].decode(), 0)


@pytest.mark.parametrize("case", KEPT)
def test_what_loses_nothing_is_read(case):
    assert parse_json(KEPT[case]) == json.loads(KEPT[case])
    assert decode_next(KEPT[case].decode(), 0) == (json.loads(KEPT[case]), len(KEPT[case]))
