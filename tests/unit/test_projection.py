"""The projection fields that are read from GeoTIFF headers, and where they go."""

from io import BytesIO

import pytest

from mlhub_async.stac.write.projection import EXTENSION, Projection, add_projections, projection_of

tifffile = pytest.importorskip("tifffile")
numpy = pytest.importorskip("numpy")

UTM = (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32629)
GRID = Projection("EPSG:32629", (3, 4), (10.0, 0.0, 600000.0, 0.0, -10.0, 4500000.0))


def geotiff(keys=UTM, scale=(10.0, 10.0, 0.0), tie=(0.0, 0.0, 0.0, 600000.0, 4500000.0, 0.0), matrix=None):
    tags = [(34735, "H", len(keys), keys)]
    tags += [(33550, "d", 3, scale)] if scale else []
    tags += [(33922, "d", 6, tie)] if tie else []
    tags += [(34264, "d", 16, matrix)] if matrix else []
    file = BytesIO()
    tifffile.imwrite(file, numpy.zeros((3, 4), "u1"), extratags=tags, metadata=None)
    return BytesIO(file.getvalue())


def test_the_grid_of_a_geotiff_is_read():
    assert projection_of(geotiff()) == GRID


def test_a_tie_point_inside_of_the_image_is_moved_to_its_corner():
    assert projection_of(geotiff(tie=(2.0, 1.0, 0.0, 600020.0, 4499990.0, 0.0))) == GRID


def test_pixels_that_are_points_are_half_a_pixel_away():
    keys = (*UTM[:10], 1, 2, *UTM[12:])
    found = projection_of(geotiff((*UTM[:8], 1025, 0, 1, 2, *UTM[12:])))
    assert keys and found.transform == (10.0, 0.0, 599995.0, 0.0, -10.0, 4500005.0)


def test_a_rotated_grid_is_read_from_its_matrix():
    matrix = (0.0, 5.0, 0.0, 100.0, 5.0, 0.0, 0.0, 200.0, *[0.0] * 7, 1.0)
    found = projection_of(geotiff(scale=None, tie=None, matrix=matrix))
    assert found.transform == (0.0, 5.0, 100.0, 5.0, 0.0, 200.0)


def test_a_system_without_a_code_has_none():
    assert projection_of(geotiff((*UTM[:15], 32767))).code is None


@pytest.mark.parametrize("data", [b"", b"II*\0", b"no TIFF at all", geotiff().getvalue()[:60]])
def test_what_is_no_sound_tiff_has_no_grid(data):
    assert projection_of(BytesIO(data)) is None


def test_a_plain_tiff_has_no_grid():
    file = BytesIO()
    tifffile.imwrite(file, numpy.zeros((3, 4), "u1"))
    assert projection_of(BytesIO(file.getvalue())) is None


def test_only_what_is_missing_is_added():
    body = {
        "properties": {"proj:epsg": 32629},
        "assets": {"a": {"href": "a.tif", "proj:shape": [3, 4]}, "b": {"href": "b.tif"}},
    }
    add_projections(body, {"a": GRID, "b": GRID, "gone": GRID})
    transform = list(GRID.transform)
    assert body["stac_extensions"] == [EXTENSION]
    assert body["assets"]["a"] == {"href": "a.tif", "proj:shape": [3, 4], "proj:transform": transform}
    assert body["assets"]["b"] == {"href": "b.tif", "proj:shape": [3, 4], "proj:transform": transform}


@pytest.mark.parametrize("known", [{"proj:epsg": 4326}, {"proj:code": "EPSG:4326"}, {"proj:shape": [9, 9]}])
def test_nothing_is_added_where_the_catalogue_says_otherwise(known):
    body = {"properties": dict(known), "assets": {"a": {"href": "a.tif"}}}
    add_projections(body, {"a": GRID})
    assert body == {"properties": known, "assets": {"a": {"href": "a.tif"}}}


def test_an_item_that_has_all_stays_as_it_is():
    body = {"properties": GRID.fields(), "assets": {"a": {"href": "a.tif"}}}
    add_projections(body, {"a": GRID})
    assert body == {"properties": GRID.fields(), "assets": {"a": {"href": "a.tif"}}}
