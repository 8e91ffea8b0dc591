"""What STAC says of the classes of a label and the bands of an asset."""

import pytest

from mlhub_async.stac.fields.classification import (
    LabelClass,
    class_properties,
    classes_of,
    common_names,
    is_label,
)

WATER = {"value": 1, "name": "water", "color_hint": "0000FF"}
FOUND = [LabelClass(1, "water", (0, 0, 255))]


def item(asset=None, **properties):
    return {"assets": {"labels": asset or {}}, "properties": properties}


@pytest.mark.parametrize(
    ("body", "collection"),
    [
        (item({"classification:classes": [WATER]}), {}),
        (item({"bands": [{"name": "b"}, {"classification:classes": [WATER]}]}), {}),
        (item({"raster:bands": [{"classification:classes": [WATER]}]}), {}),
        (item(), {"item_assets": {"labels": {"classification:classes": [WATER]}}}),
        (item(**{"classification:classes": [WATER]}), {}),
        (item(), {"summaries": {"classification:classes": [WATER]}}),
        (item({"classification:classes": [WATER]}, **{"label:classes": [{"classes": ["x"]}]}), {}),
    ],
)
def test_classes_are_found_where_the_extensions_put_them(body, collection):
    assert classes_of(body, collection, "labels") == FOUND


def test_a_title_comes_before_a_name_and_a_value_stands_for_both():
    classes = [{"value": 1, "name": "a", "title": "A"}, {"value": 2, "description": "B"}, {"value": 3}]
    names = [one.name for one in classes_of(item({"classification:classes": classes}), {}, "labels")]
    assert names == ["A", "B", "3"]


def test_values_of_a_file_have_their_summary():
    values = [{"values": [1, 2], "summary": "crop"}, {"values": [0]}, {"values": "x"}, None]
    assert classes_of(item({"file:values": values}), {}, "labels") == [
        LabelClass(1, "crop"),
        LabelClass(2, "crop"),
        LabelClass(0, "0"),
    ]


def test_names_of_label_classes_stand_for_their_place_and_numbers_for_themselves():
    names = item(**{"label:classes": [{"name": None, "classes": ["No Data", "Water"]}]})
    assert classes_of(names, {}, "labels") == [
        LabelClass(0, "No Data", None, True),
        LabelClass(1, "Water", None, True),
    ]
    numbers = item(**{"label:classes": [{"classes": [1, 7, True, None, {}]}]})
    assert classes_of(numbers, {}, "labels") == [LabelClass(1, "1"), LabelClass(7, "7")]


@pytest.mark.parametrize("hint", ["blue", "#00f", "0000FF00", 255, None, "</style>", "00000g"])
def test_a_colour_that_is_none_is_ignored(hint):
    body = item({"classification:classes": [{**WATER, "color_hint": hint}]})
    assert classes_of(body, {}, "labels") == [LabelClass(1, "water")]


@pytest.mark.parametrize("odd", [None, 5, "x", [], {}, [None], [{"value": "x"}], [{"value": True}], {"a": 1}])
def test_what_is_malformed_is_no_class(odd):
    fields = ("classification:classes", "file:values", "label:classes", "bands", "eo:bands")
    for field in fields:
        assert classes_of(item({field: odd}, **{field: odd}), {"item_assets": odd}, "labels") == []
    assert classes_of({"assets": odd, "properties": odd}, {}, "labels") == []
    assert common_names({"assets": odd}, {"item_assets": odd}, "labels") == []


@pytest.mark.parametrize(
    ("asset", "properties", "key", "expected"),
    [
        ({"roles": ["labels", "labels-raster"]}, {}, "labels", True),
        ({"roles": ["data"]}, {"label:type": "raster"}, "labels", False),
        ({}, {"label:type": "raster"}, "labels", True),
        ({}, {}, "labels", False),
        ({"roles": 5}, {"label:type": "vector"}, "the_Labels", True),
    ],
)
def test_roles_say_what_is_a_label_and_keys_where_there_are_none(asset, properties, key, expected):
    assert is_label({"assets": {key: asset}, "properties": properties}, key) is expected


def test_bands_have_common_names_of_either_version_of_stac():
    old = {"eo:bands": [{"name": "B04", "common_name": "red"}, {"name": "B05"}]}
    new = {"bands": [{"eo:common_name": "red"}, {"name": "B05"}]}
    for about in (old, new):
        assert common_names(item(about), {}, "labels") == ["red", ""]
        assert common_names(item(), {"item_assets": {"labels": about}}, "labels") == ["red", ""]


def test_the_class_of_a_feature_is_in_the_properties_that_the_item_names():
    body = item(
        **{"label:properties": ["crop", "area"], "label:classes": [{"name": "crop", "classes": ["x"]}]}
    )
    assert class_properties(body) == ["crop", "area"]
    assert class_properties(item(**{"label:properties": None})) == []
