"""CQL2 as it is evaluated here: what pgstac gives, or an error that names what cannot be decided."""

import pytest

from mlhub_async import stac
from mlhub_async.core.errors import UsageError
from mlhub_async.core.model import Item
from mlhub_async.core.options import Selection
from support.documents import item

POINT = {"type": "Point", "coordinates": [175, 0]}
ITEMS = {
    "a": item(
        "a",
        geometry=POINT,
        properties={
            "datetime": "2020-01-15T00:00:00Z",
            "platform": "s2a",
            "x": 10,
            "y": 9,
            "flag": True,
            "tags": ["a", "b"],
            "proj": {"c": {"d": 3}},
            "title": "Éa%",
            "made": "2020-01-15",
        },
    ),
    "b": item("b", properties={"datetime": "2020-01-15T00:00:00Z", "platform": "s1", "x": 2.5}),
    "span": item(
        "span",
        properties={
            "datetime": None,
            "start_datetime": "2019-01-01T00:00:00Z",
            "end_datetime": "2019-03-01T00:00:00Z",
        },
    ),
}


def selected(expression) -> str:
    admits = stac.item_filter(Selection(filter=expression))
    found = {name: stac.item_of(body, "https://api.test/i") for name, body in ITEMS.items()}
    assert all(isinstance(one, Item) for one in found.values())
    return " ".join(name for name, one in found.items() if admits(one))


JANUARY = "TIMESTAMP('2020-01-01T00:00:00Z') AND TIMESTAMP('2020-02-01T00:00:00Z')"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (f"datetime BETWEEN {JANUARY}", "a b"),
        (f"datetime NOT BETWEEN {JANUARY}", "span"),
        ("datetime < TIMESTAMP('2019-02-01T00:00:00Z')", "span"),
        ("end_datetime < TIMESTAMP('2019-02-01T00:00:00Z')", ""),
        ("start_datetime = '2019-01-01T00:00:00Z'", "span"),
        ("datetime = DATE('2020-01-15')", "a b"),
        ("datetime > DATE('2020-01-14') AND NOT datetime > DATE('2020-01-15')", "a b"),
        ("DATE('2019-12-31') <= datetime", "a b"),
        ("made = DATE('2020-01-15')", "a"),
        ("T_AFTER(datetime, DATE('2020-01-14'))", "a b"),
        ("T_INTERSECTS(datetime, INTERVAL('2020-01-01', '..'))", "a b"),
        ("T_DURING(INTERVAL(start_datetime, end_datetime), INTERVAL('2018-12-31', '2019-04-01'))", "span"),
        ("T_BEFORE(datetime, TIMESTAMP('2020-01-01T00:00:00Z'))", "span"),
        ("CASEI(platform) IN (CASEI('S2A'))", "a"),
        ("UPPER(platform) = 'S2A'", "a"),
        ("LOWER(platform) = 's1'", "b"),
        ("ACCENTI(CASEI(title)) = ACCENTI(CASEI('EA%'))", "a"),
        ("x = '10'", "a"),
        ("x > 2.4 AND x < 11", "a b"),
        ("x > y", "a"),
        ("x + 2 * 3 = 16", "a"),
        ("x / 0 = 1 OR x = 2.5", "b"),
        ("x % 3 = 1", "a"),
        ("x div 3 = 3", "a"),
        ("x ^ 2 = 100", "a"),
        ("-x < -9", "a"),
        ("x IN (10, 11)", "a"),
        ("x NOT IN (10, 11)", "b"),
        ("NOT x = 10", "b"),
        ("x <> 10", "b"),
        ("NOT (x = 10 AND platform = 's1')", "a b"),
        ("x IS NULL", "span"),
        ("x IS NOT NULL", "a b"),
        ("x = 10 OR y IS NULL", "a b span"),
        ("flag", "a"),
        ("NOT flag", ""),
        ("flag = TRUE", "a"),
        ("platform LIKE 's_'", "b"),
        ("platform NOT LIKE 's2%'", "b"),
        (r"title LIKE '%\%'", "a"),
        ("proj.c.d = 3", "a"),
        ("properties.x = 10", "a"),
        ("id = 'b'", "b"),
        ("collection = 'c'", "a b span"),
        ("A_CONTAINS(tags, ('a'))", "a"),
        ("A_CONTAINEDBY(tags, ('a', 'b', 'c'))", "a"),
        ("A_OVERLAPS(tags, ('b', 'z'))", "a"),
        ("A_EQUALS(tags, ('a', 'b'))", "a"),
        ("S_INTERSECTS(geometry, BBOX(170, -10, -170, 10))", "a"),
        ("S_INTERSECTS(BBOX(-170, -10, 170, 10), geometry)", ""),
        ("S_WITHIN(geometry, POLYGON((170 -1, 190 -1, 190 1, 170 1, 170 -1)))", "a"),
        ("S_CONTAINS(BBOX(170, -10, -170, 10), geometry)", "a"),
        ("S_EQUALS(geometry, POINT(175 0))", "a"),
        ("NOT S_DISJOINT(geometry, POINT(175 0))", "a"),
        ("TRUE", "a b span"),
        ("FALSE", ""),
        ({"op": "=", "args": [{"property": "x"}, 10]}, "a"),
        ({"op": "isNull", "args": [{"property": "x"}]}, "span"),
        ({"op": "a_containedBy", "args": [{"property": "tags"}, ["a", "b"]]}, "a"),
        ({"op": "in", "args": [{"property": "platform"}, ["s1"]]}, "b"),
        ({"op": "eq", "args": [{"property": "platform"}, "s1"]}, "b"),
    ],
    ids=str,
)
def test_an_expression_selects_what_pgstac_selects(expression, expected):
    assert selected(expression) == expected


@pytest.mark.parametrize(
    ("expression", "named"),
    [
        ("nosuch(platform) = 'S2A'", r"nosuch\(\)"),
        ("datetime > 'foo'", "foo"),
        ("datetime > TIMESTAMP('2020-13-01T00:00:00Z')", "2020-13-01"),
        ("datetime = DATE('2020-02-31')", "2020-02-31"),
        ("T_AFTER(datetime, 'soon')", "soon"),
        ("S_TOUCHES(geometry, BBOX(170, -10, -170, 10))", r"s_touches\(\)"),
        ("S_INTERSECTS(other, BBOX(1, 1, 2, 2))", r"s_intersects\(\)"),
        ({"op": "s_intersects", "args": [{"property": "geometry"}, {"type": "Sphere"}]}, r"s_intersects\(\)"),
        ({"op": "=", "args": [{"property": "x"}]}, r"=\(\) takes 2 arguments"),
        ({"op": "in", "args": [{"property": "x"}, 3]}, "list"),
        ({"op": "like", "args": [{"property": "x"}, 3]}, "pattern"),
        ({"op": "=", "args": [{"property": " "}, 3]}, "no name"),
        ({"op": "=", "args": 3}, "cannot be evaluated"),
        ({"eq": [{"property": "x"}, 10]}, "cannot be evaluated"),
        ("((", "not CQL2"),
    ],
    ids=str,
)
def test_what_cannot_be_decided_is_a_usage_error_that_names_the_part(expression, named):
    with pytest.raises(UsageError, match=rf"--filter.*{named}"):
        selected(expression)


def test_an_expression_that_is_nested_too_deeply_is_a_usage_error():
    expression = {"op": "=", "args": [{"property": "x"}, 10]}
    for _ in range(5000):
        expression = {"op": "not", "args": [expression]}
    with pytest.raises(UsageError, match="nested"):
        selected(expression)
