"""Assets whose files find each other by name keep these names; all others get the name of their key."""

import pytest

from mlhub_async.core.model import Asset
from mlhub_async.engine.placement.companions import companions

SCENE = {
    "data": "scene.tif",
    "mask": "scene.tif.msk",
    "overviews": "scene.tif.ovr",
    "aux": "scene.tif.aux.xml",
}
SHAPE = {"labels": "fields.shp", "index": "fields.shx", "table": "fields.dbf", "crs": "fields.prj"}
HLS = {"red": "HLS.S30.T10SEJ.2020.v2.0.B04.tif", "nir": "HLS.S30.T10SEJ.2020.v2.0.B08.tif"}


def kept(hrefs):
    return companions([Asset(href, key, "i", "c") for key, href in hrefs.items()])


def under(base, names):
    return {key: f"{base}{name}" for key, name in names.items()}


@pytest.mark.parametrize(
    "names",
    [
        SCENE,
        SHAPE,
        {"data": "scene.tif", "world": "scene.tfw"},
        {"data": "scene.img", "statistics": "scene.aux.xml"},
        {"data": "cube.img", "header": "cube.hdr"},
        {"data": "cube", "header": "cube.hdr"},
        {"stack": "all.vrt", "red": "B04.tif", "nir": "B08.tif"},
        {"mtl": "LC08_1_MTL.txt", "red": "LC08_1_B4.TIF"},
    ],
)
def test_files_that_belong_together_keep_their_names(names):
    assert kept(under("https://h.test/a/", names)) == names
    signed = {key: f"{href}?sig=x.y/z#f" for key, href in under("https://h.test/a/", names).items()}
    assert kept(signed) == names


@pytest.mark.parametrize(
    "hrefs",
    [
        under("https://h.test/", HLS),
        {"a": "https://h.test/10m/B02.tif", "b": "https://h.test/20m/B02.tif"},
        {"a": "https://h.test/x.tif", "b": "https://h.test/x.tif"},
        {"a": "https://h.test/get?id=1", "b": "https://h.test/get?id=2"},
        {"a": "https://h.test/one/scene.tif", "b": "https://h.test/two/scene.tif.msk"},
        {"a": "https://h.test/.tif", "b": "https://h.test/.msk"},
        {"a": "", "b": ""},
        {"data": "https://h.test/0.tif", "table": "https://h.test/0.csv", "picture": "https://h.test/0.png"},
    ],
)
def test_all_others_do_not(hrefs):
    assert kept(hrefs) == {}


def test_one_that_belongs_to_no_other_gets_the_name_of_its_key():
    found = kept(under("https://h.test/", {**SHAPE, "thumbnail": "preview.png"}))
    assert found == SHAPE
