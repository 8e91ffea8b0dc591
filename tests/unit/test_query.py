"""Conditions of --query: names of nested members, types of values, and what is left to a server."""

import pytest

from mlhub_async.core.errors import UsageError
from mlhub_async.core.options import Selection
from mlhub_async.stac import item_filter, query_for_server
from mlhub_async.stac.conditions.query import matches_query
from support.documents import item

BODY = item(
    "i",
    properties={
        "view": {"off_nadir": 4.5, "zones": ["a", "b"]},
        "view.literal": 7,
        "a.b": {"c.d": 1},
        "bands": [{"name": "red"}, {"name": "nir"}],
        "orbit": 2022,
        "ready": True,
        "one": 1,
        "note": None,
        "seen": "2020-01-01T00:00:00.000Z",
        "tile": "29NMG",
    },
    assets={"data": {"href": "x", "raster": {"scale": 2}}},
)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"view.off_nadir": {"lt": 5}}, True),
        ({"view.off_nadir": {"gt": 5}}, False),
        ({"properties.view.off_nadir": {"lt": 5}}, True),
        ({"view.zones": {"contains": "b"}}, True),
        ({"view.zones": {"contains": "c"}}, False),
        ({"view.literal": {"eq": 7}}, True),
        ({"a.b.c.d": {"eq": 1}}, True),
        ({"a.b.c": {"neq": 1}}, False),
        ({"bands.1.name": {"eq": "nir"}}, True),
        ({"bands.2.name": {"eq": "nir"}}, False),
        ({"bands.name": {"neq": "nir"}}, False),
        ({"view.off_nadir.x": {"neq": 1}}, False),
        ({"assets.data.raster.scale": {"gte": 2}}, True),
        ({"geometry.type": {"eq": "Point"}}, False),
        ({"ready": {"eq": True}}, True),
        ({"ready": {"eq": 1}}, False),
        ({"ready": {"gt": 0}}, False),
        ({"one": {"eq": True}}, False),
        ({"one": {"eq": 1.0}}, True),
        ({"one": {"in": [1, 2]}}, True),
        ({"one": {"in": ["1"]}}, False),
        ({"note": {"neq": 1}}, False),
        ({"seen": {"eq": "2020-01-01T01:00:00+01:00"}}, True),
        ({"seen": {"in": ["2020-01-01T00:00:00Z"]}}, True),
        ({"seen": {"startsWith": "2020-01-01T00:00:00.000Z"}}, True),
        ({"seen": {"contains": "2020-01-01T00:00:00.000Z"}}, True),
        ({"orbit": {"startsWith": "20"}}, True),
        ({"view": {"startsWith": "{"}}, False),
        ({"ready": {"startsWith": "T"}}, False),
        ({"tile": {"startsWith": "29", "endsWith": "MG"}}, True),
        ({"tile": {"startsWith": "29n"}}, False),
        ({"view": {"eq": {"off_nadir": 4.5, "zones": ["a", "b"]}}}, True),
        ({"tile": {"gt": "29N"}}, True),
        ({"tile": {"lt": 30}}, False),
    ],
)
def test_names_lead_into_nested_members_and_types_are_those_of_json(query, expected):
    assert matches_query(query)(BODY) is expected


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"a": {"in": "abc"}}, "--query a: 'in' needs a list"),
        ({"a": {"startsWith": 5}}, "'startsWith' needs text"),
        ({"a": {"endsWith": ["x"]}}, "'endsWith' needs text"),
        ({"a": {"eq": None}}, "IS NULL"),
        ({"a": None}, "IS NULL"),
        ({"a": {"lt": [1]}}, "'lt' needs a number"),
        ({"a": {"gte": True}}, "'gte' needs a number"),
        ({"a": {}}, "--query a: there is no condition"),
        ({"a": {"like": "x"}}, "no operator 'like'"),
    ],
)
def test_a_condition_that_cannot_be_decided_is_a_usage_error(query, said):
    with pytest.raises(UsageError, match=said):
        item_filter(Selection(query=query))


@pytest.mark.parametrize(
    ("query", "sent"),
    [
        ({"eo:cloud_cover": {"lt": 10, "gte": 0}}, {"eo:cloud_cover": {"lt": 10, "gte": 0}}),
        ({"properties.gsd": {"eq": 10}}, {"gsd": {"eq": 10}}),
        ({"platform": "a"}, {"platform": {"eq": "a"}}),
        ({"platform": {"neq": "a", "startsWith": "b"}}, {"platform": {"neq": "a"}}),
        ({"platform": {"in": ["a"]}, "gsd": {"gt": 1}}, {"gsd": {"gt": 1}}),
        ({"view.off_nadir": {"lt": 5}}, None),
        ({"platform": {"endsWith": "a"}}, None),
        ({"platform": {"contains": "a"}}, None),
        ({"platform": {"gt": "a"}}, None),
        ({"created": {"eq": "2020-01-01T00:00:00Z"}}, None),
        ({"created": {"gt": "2020-01-01T00:00:00Z"}}, None),
        ({"ready": {"eq": True}}, None),
        ({}, None),
    ],
)
def test_servers_get_what_means_the_same_on_all_of_them(query, sent):
    assert query_for_server(query) == sent
