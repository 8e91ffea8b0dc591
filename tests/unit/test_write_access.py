"""What says how to open a file where it was leaves the document of its copy; a time range gets a datetime."""

import json

import pytest

from mlhub_async.stac.write.hrefs import DocumentLocation
from mlhub_async.stac.write.item import item_json
from support.items import FILE, item, record

STORAGE = "https://stac-extensions.github.io/storage/v2.0.0/schema.json"
XARRAY = "https://stac-extensions.github.io/xarray-assets/v1.0.0/schema.json"
EO = "https://stac-extensions.github.io/eo/v1.0.0/schema.json"
OF_PLACE = {
    "storage:refs": ["s3"],
    "xarray:storage_options": {"account_name": "x"},
    "table:storage_options": {"account_name": "x"},
    "auth:refs": ["key"],
}
KWARGS = {
    "engine": "zarr",
    "chunks": {},
    "storage_options": {"token": "t"},
    "backend_kwargs": {"storage_options": 1},
}


def written(one, *local):
    records = {key: record(f"c/i/{key}.tif") for key in local}
    return json.loads(item_json(one, records, DocumentLocation("c/i/i.json")))


def asset(name, **more):
    return {"href": f"s3://bucket/{name}", "title": name, **more}


def test_a_local_asset_has_no_options_of_the_place_that_it_came_from():
    options = {**OF_PLACE, "xarray:open_kwargs": KWARGS}
    one = item(assets={"a": asset("a", **options), "b": asset("b", **options)})
    body = written(one, "a")
    assert set(body["assets"]["a"]) == {"href", "title", "file:size", "file:checksum", "xarray:open_kwargs"}
    assert body["assets"]["a"]["xarray:open_kwargs"] == {"engine": "zarr", "chunks": {}, "backend_kwargs": {}}
    assert body["assets"]["b"] == asset("b", **options), "it is still where it was"
    assert one.body["assets"]["a"]["storage:refs"] == ["s3"], "the item that was read is not changed"


@pytest.mark.parametrize("local, kept", [((), True), (("a",), True), (("a", "b"), False)])
def test_what_is_said_for_all_assets_goes_with_the_last_of_them(local, kept):
    common = {"datetime": "2020-01-01T00:00:00Z", "storage:schemes": {"s3": {}}, "storage:tier": "hot"}
    body = written(
        item(
            properties=common,
            stac_extensions=[EO, STORAGE],
            assets={key: asset(key, **{"storage:refs": ["s3"]}) for key in "ab"},
        ),
        *local,
    )
    assert ("storage:schemes" in body["properties"]) is ("storage:tier" in body["properties"]) is kept
    assert (STORAGE in body["stac_extensions"]) is kept and EO in body["stac_extensions"]


def test_another_place_of_a_local_asset_still_needs_its_storage():
    other = {"s3": {"href": "s3://bucket/a", "storage:refs": ["s3"]}}
    common = {"datetime": None, "storage:schemes": {"s3": {}}}
    one = item(properties=common, stac_extensions=[STORAGE], assets={"a": asset("a", alternate=other)})
    body = written(one, "a")
    assert body["properties"] == common and body["assets"]["a"]["alternate"] == other
    assert body["stac_extensions"] == [STORAGE, FILE]


def test_an_extension_with_fields_left_or_that_never_had_any_stays_declared():
    options = {"xarray:open_kwargs": KWARGS, "xarray:storage_options": {}}
    one = item(stac_extensions=[STORAGE, XARRAY], assets={"a": asset("a", **options)})
    assert written(one, "a")["stac_extensions"] == [XARRAY, FILE]
    plain = item(stac_extensions=[STORAGE, XARRAY], assets={"a": asset("a")})
    assert written(plain, "a")["stac_extensions"] == [STORAGE, XARRAY, FILE]


RANGE = {"start_datetime": "2020-01-01T00:00:00Z", "end_datetime": "2020-02-01T00:00:00Z"}


@pytest.mark.parametrize(
    "given, made",
    [
        (RANGE, {**RANGE, "datetime": None}),
        ({**RANGE, "datetime": "2020-01-05T00:00:00Z"}, {**RANGE, "datetime": "2020-01-05T00:00:00Z"}),
        ({"start_datetime": "2020-01-01T00:00:00Z"}, {"start_datetime": "2020-01-01T00:00:00Z"}),
        ({}, {}),
    ],
)
def test_a_time_range_without_datetime_gets_a_null_one(given, made):
    assert written(item(properties=given))["properties"] == made
