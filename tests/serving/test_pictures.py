"""Pictures of assets, by the values of their pixels: classes, palettes, 8, 12 and 16 bits, floats, bands."""

import html
import json
import math
import re
import sys

import numpy as np
import pytest

from mlhub_async.api.pages.previews import raster
from mlhub_async.api.pages.previews.features import draw_features
from mlhub_async.api.pages.previews.palette import DISTINCT, NO_DATA, Swatch, swatches
from mlhub_async.api.pages.previews.raster import NoPreview, Wanted
from mlhub_async.api.pages.previews.service import PNG, SVG, PicturePlan, make
from mlhub_async.core.model import FileState
from mlhub_async.stac.fields.classification import LabelClass

rasterio = pytest.importorskip("rasterio")
pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
STATE = FileState(1, 1)


@pytest.fixture
def tiff(tmp_path):
    """`tiff(array, **profile)` writes a file of these bands and returns its name."""

    def write(bands, name="x.tif", palette=None, driver="GTiff", **profile):
        bands = np.asarray(bands)
        bands = bands if bands.ndim == 3 else bands[np.newaxis]
        count, rows, columns = bands.shape
        about = {"driver": driver, "width": columns, "height": rows, "count": count, "dtype": bands.dtype}
        with rasterio.open(tmp_path / name, "w", **{**about, **profile}) as file:
            file.write(bands)
            if palette:
                file.write_colormap(1, palette)
        return name

    return write


def pixels(tmp_path, *names, size=256, **plan):
    """Red, green, blue and alpha of the picture of these files."""
    made = make(tmp_path, PicturePlan(names, (STATE,) * len(names), size, **plan))
    assert made.media_type == PNG, made.body
    with rasterio.MemoryFile(made.body) as file, file.open(driver="PNG") as picture:
        return picture.read()


def colour(image, row, column):
    return tuple(int(value) for value in image[:, row, column])


RAMP = np.linspace(0, 1, 4096).reshape(64, 64)


def test_rgb_of_8_bits_is_shown_as_it_is(tmp_path, tiff):
    bands = np.random.default_rng(1).integers(0, 256, (3, 20, 30), np.uint8)
    image = pixels(tmp_path, tiff(bands, photometric="RGB"))
    assert (image[:3] == bands).all() and (image[3] == 255).all()


@pytest.mark.parametrize(
    "options", [{"compress": "jpeg", "photometric": "ycbcr"}, {"interleave": "pixel", "compress": "lzw"}]
)
def test_rgb_of_other_encodings_has_the_same_colours(tmp_path, tiff, options):
    bands = np.full((3, 32, 32), 0, np.uint8)
    bands[0], bands[1], bands[2] = 200, 100, 50
    image = pixels(tmp_path, tiff(bands, **options))
    assert np.abs(image[:3].astype(int) - bands).max() <= 3


def test_an_alpha_band_makes_pixels_transparent(tmp_path, tiff):
    bands = np.full((4, 8, 8), 90, np.uint8)
    bands[3, :4] = 0
    image = pixels(tmp_path, tiff(bands, photometric="RGB", alpha="YES"))
    assert colour(image, 0, 0)[3] == 0 and colour(image, 7, 7) == (90, 90, 90, 90)


@pytest.mark.parametrize(
    ("dtype", "top", "options"),
    [
        ("uint16", 4095, {"nbits": 12}),
        ("uint16", 10_000, {}),
        ("int16", 3000, {}),
        ("uint32", 1 << 30, {}),
        ("float32", 0.4, {}),
        ("float64", 1e300, {}),
        ("uint8", 40, {}),
    ],
)
def test_grey_of_more_than_8_bits_is_stretched_between_its_percentiles(tmp_path, tiff, dtype, top, options):
    image = pixels(tmp_path, tiff((RAMP * top).astype(dtype), **options))
    grey = image[0].astype(int)
    assert (image[0] == image[1]).all() and (image[1] == image[2]).all() and (image[3] == 255).all()
    assert colour(image, 0, 0)[0] == 0 and colour(image, 63, 63)[0] == 255
    assert abs(grey[32, 0] - 128) <= 8 and (np.diff(grey.ravel()) >= 0).all()


def test_grey_of_8_bits_over_its_range_is_shown_as_it_is(tmp_path, tiff):
    band = (RAMP * 200).astype(np.uint8)
    assert (pixels(tmp_path, tiff(band))[0] == band).all()


def test_a_few_clouds_do_not_make_the_land_dark(tmp_path, tiff):
    band = (500 + RAMP * 500).astype(np.uint16)
    band[:10] = 9000  # a sixth of the image
    land = pixels(tmp_path, tiff(band))[0][12:]
    assert land.max() > 100


def test_what_has_no_data_is_transparent_and_does_not_count_for_the_stretch(tmp_path, tiff):
    band = RAMP.astype(np.float32)
    band[0, :] = np.nan
    band[1, :] = np.inf
    band[2, :] = -9999
    image = pixels(tmp_path, tiff(band, nodata=-9999))
    assert (image[3, :3] == 0).all() and (image[3, 3:] == 255).all()
    assert image[0, 3, 0] < 8 and image[0, 63, 63] == 255


@pytest.mark.parametrize("value", [0, 7, math.nan])
def test_an_image_of_one_value_is_grey_or_empty(tmp_path, tiff, value):
    image = pixels(tmp_path, tiff(np.full((4, 4), value, np.float32)))
    assert colour(image, 0, 0) == ((0, 0, 0, 0) if math.isnan(value) else (128, 128, 128, 255))


def test_the_bands_that_the_catalogue_names_are_the_colours(tmp_path, tiff):
    bands = np.zeros((4, 64, 64), np.uint16)
    bands[2] = RAMP * 3000  # red is the third of blue, green, red, nir
    bands[3] = 9000
    image = pixels(tmp_path, tiff(bands), names=("blue", "green", "red", "nir"))
    assert image[0, 63, 63] == 255 and image[1].max() == image[2].max() == 0


def test_many_bands_without_names_show_the_first(tmp_path, tiff):
    bands = np.stack([RAMP * 3000, RAMP[::-1] * 3000, RAMP * 0, RAMP * 0, RAMP * 0]).astype(np.uint16)
    image = pixels(tmp_path, tiff(bands, photometric="MINISBLACK"))
    assert (image[0] == image[1]).all() and image[0, 63, 63] == 255 and image[0, 0, 0] == 0


def test_three_files_of_one_band_make_one_picture_with_one_stretch(tmp_path, tiff):
    red, green, blue = (tiff((RAMP * top).astype(np.uint16), f"{top}.tif") for top in (4000, 2000, 0))
    image = pixels(tmp_path, red, green, blue)
    assert image[0, 63, 63] == 255 and image[2].max() == 0
    assert image[1, 63, 63] == pytest.approx(image[0, 32, 0], abs=3)  # in proportion


def test_bands_of_other_sizes_are_brought_to_that_of_the_first(tmp_path, tiff):
    names = [tiff((np.ones((side, side)) * 9).astype(np.uint16), f"{side}.tif") for side in (30, 60, 15)]
    assert pixels(tmp_path, *names).shape == (4, 30, 30)


PALETTE = {0: (0, 0, 0, 255), 1: (10, 20, 30, 255), 2: (200, 100, 50, 255)}


def test_a_palette_is_kept_and_never_mixed(tmp_path, tiff):
    band = np.indices((512, 512)).sum(axis=0) % 3
    image = pixels(tmp_path, tiff(band.astype(np.uint8), palette=PALETTE), size=100)
    found = {tuple(map(int, one)) for one in image[:3].reshape(3, -1).T}
    assert image.shape == (4, 100, 100) and found == {one[:3] for one in PALETTE.values()}


def test_classes_have_the_colours_of_the_catalogue_before_those_of_the_file(tmp_path, tiff):
    band = np.arange(4, dtype=np.uint8).reshape(2, 2)
    classes = (LabelClass(1, "water", (0, 0, 255)), LabelClass(2, "crop"), LabelClass(3, "town"))
    image = pixels(tmp_path, tiff(band, palette=PALETTE), is_label=True, classes=classes)
    assert [colour(image, *at)[:3] for at in ((0, 1), (1, 0))] == [(0, 0, 255), (200, 100, 50)]


def test_a_mask_without_a_palette_has_the_colours_of_the_legend(tmp_path, tiff):
    band = np.array([[0, 1], [2, 9]], np.int16)
    classes = (LabelClass(0, "No Data"), LabelClass(1, "water", (1, 2, 3)), LabelClass(2, "crop"))
    image = pixels(tmp_path, tiff(band), is_label=True, classes=classes)
    legend = {one.value: one.colour for one in swatches(classes, {})}
    assert legend == {0: NO_DATA, 1: (1, 2, 3), 2: DISTINCT[2]}
    shown = [colour(image, *at)[:3] for at in ((0, 0), (0, 1), (1, 0), (1, 1))]
    assert shown == [*legend.values(), DISTINCT[9]]


def test_a_label_of_many_values_is_a_quantity(tmp_path, tiff):
    image = pixels(tmp_path, tiff((RAMP * 5000).astype(np.uint16)), is_label=True)
    assert (image[0] == image[1]).all() and image[0, 63, 63] == 255


@pytest.mark.parametrize(("driver", "name"), [("PNG", "x.png"), ("JPEG", "x.jpg")])
def test_png_and_jpeg_are_read_too(tmp_path, tiff, driver, name):
    image = pixels(tmp_path, tiff(np.full((3, 300, 400), 77, np.uint8), name, driver=driver))
    assert image.shape == (4, 192, 256) and colour(image, 9, 9) == (77, 77, 77, 255)


def test_one_bit_and_complex_numbers(tmp_path, tiff):
    bit = pixels(tmp_path, tiff(np.eye(8, dtype=np.uint8), nbits=1))
    assert colour(bit, 0, 0)[:3] == (255, 255, 255) and colour(bit, 0, 1)[:3] == (0, 0, 0)
    waves = pixels(tmp_path, tiff((RAMP * (3 + 4j)).astype(np.complex64), "waves.tif"))
    assert waves[0, 0, 0] == 0 and waves[0, 63, 63] == 255


def refusal(tmp_path, name, **plan):
    """The words of the notice that stands for the picture."""
    made = make(tmp_path, PicturePlan((name,), (STATE,), 256, **plan))
    assert made.media_type == SVG
    return " ".join(re.findall(r">([^<]+)</tspan>", made.body.decode()))


HUGE = {"driver": "GTiff", "width": 40_000, "height": 40_000, "count": 1, "dtype": "uint8", "sparse_ok": True}


def test_a_huge_image_is_refused_unless_it_has_overviews(tmp_path):
    with rasterio.open(tmp_path / "huge.tif", "w", **HUGE, tiled=True, compress="deflate"):
        pass
    assert (
        refusal(tmp_path, "huge.tif") == "40000 x 40000 pixels without overviews are too many for a picture"
    )
    with rasterio.open(
        tmp_path / "cog.tif", "w", **{**HUGE, "width": 16_384, "height": 16_384}, tiled=True
    ) as file:
        file.build_overviews([16, 32])
    assert pixels(tmp_path, "cog.tif").shape == (4, 256, 256)


def test_an_image_of_one_huge_block_is_refused(tmp_path):
    about = {**HUGE, "width": 11_000, "height": 11_000, "dtype": "float32", "blockysize": 11_000}
    with rasterio.open(tmp_path / "strip.tif", "w", **about, compress="deflate"):
        pass
    assert refusal(tmp_path, "strip.tif") == "Its blocks of 11000 x 11000 pixels are too large for a picture"


@pytest.mark.parametrize("body", [b"", b"II*\0", b"II*\0" + b"\xff" * 500, b"<VRTDataset/>", b"no image"])
def test_what_is_no_image_gives_a_notice(tmp_path, body):
    (tmp_path / "x.tif").write_bytes(body)
    assert refusal(tmp_path, "x.tif")


def test_a_truncated_image_gives_a_notice(tmp_path, tiff):
    name = tiff(np.random.default_rng(1).integers(0, 255, (500, 500), np.uint8))
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:100_000])
    assert refusal(tmp_path, name).startswith("Cannot be read")


def test_a_format_that_refers_to_other_files_is_not_opened(tmp_path, tiff):
    secret = tiff(np.full((4, 4), 7, np.uint8), "secret.tif")
    vrt = (
        '<VRTDataset rasterXSize="4" rasterYSize="4"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>'
        f"<SourceFilename>{tmp_path / secret}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>"
        "</VRTRasterBand></VRTDataset>"
    )
    (tmp_path / "vrt.tif").write_text(vrt)
    assert refusal(tmp_path, "vrt.tif") == "No picture of this format"


def test_without_the_library_the_notice_says_what_to_install(tmp_path, tiff, monkeypatch):
    name = tiff(np.zeros((4, 4), np.uint8))
    monkeypatch.setitem(sys.modules, "rasterio", None)
    assert not raster.is_installed()
    assert "python -m pip install 'rasterio>=1.4'" in html.unescape(refusal(tmp_path, name))


def feature(geometry, **properties):
    return {"type": "Feature", "geometry": geometry, "properties": properties}


SQUARE = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]]}
FIELDS = [
    feature(SQUARE, crop="maize"),
    feature({"type": "MultiPoint", "coordinates": [[0.5, 0.5], [0.25, 0.75]]}, crop=2),
    feature({"type": "LineString", "coordinates": [[0, 0], [1, 1]]}, crop="<b>"),
    feature(None, crop="maize"),
    feature({"type": "Point", "coordinates": ["x", None]}),
    "no feature",
]


def draw(tmp_path, body, legend=(), properties=()):
    path = tmp_path / "x.geojson"
    path.write_text(json.dumps(body))
    return draw_features(path, 200, legend, properties).decode()


def test_features_are_drawn_in_the_colours_of_their_classes(tmp_path):
    legend = [Swatch(1, "maize", (255, 0, 0)), Swatch(2, "rice", (0, 255, 0))]
    svg = draw(tmp_path, {"type": "FeatureCollection", "features": FIELDS}, legend, ["crop"])
    assert re.findall(r'fill="(#[0-9a-f]{6})" stroke', svg) == ["#ff0000", "#00ff00", "#1d70b8"]
    assert "<title>3 features</title>" in svg and "<b>" not in svg
    corners = [tuple(map(float, one)) for one in re.findall(r"[ML]([\d.]+) ([\d.]+)", svg.split("<path")[1])]
    assert corners[0] == (4.0, 196.0) and corners[2][1] == 4.0  # south-west is at the bottom left


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ([], "No GeoJSON"),
        ({"type": "FeatureCollection", "features": []}, "No features"),
        ({"a": 1}, "No features"),
    ],
)
def test_what_has_no_features_is_not_drawn(tmp_path, body, why):
    with pytest.raises(NoPreview, match=why):
        draw(tmp_path, body)


def test_of_very_many_features_the_first_are_drawn(tmp_path):
    ring = [[math.cos(at), math.sin(at)] for at in np.linspace(0, 6.28, 1000)]
    circle = {"type": "Polygon", "coordinates": [ring]}
    svg = draw(tmp_path, {"type": "FeatureCollection", "features": [feature(circle)] * 60})
    assert "60 features, 10 of them not drawn" in svg and svg.count("<path") == 50


def test_a_large_file_of_features_is_not_read(tmp_path):
    path = tmp_path / "x.geojson"
    with path.open("wb") as file:
        file.truncate(17 << 20)
    with pytest.raises(NoPreview, match="Too large"):
        draw_features(path, 200, (), ())


def test_a_reading_is_of_the_wanted_shape(tmp_path, tiff):
    name = tiff(np.zeros((100, 1000), np.uint8))
    assert raster.read(tmp_path / name, Wanted(256)).bands.shape == (1, 26, 256)
    assert raster.read(tmp_path / name, Wanted(256, shape=(7, 9))).bands.shape == (1, 7, 9)
