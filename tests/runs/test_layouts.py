"""`--layout`: file names from which a library reads what it needs."""

import re

from support.engine import run
from support.mirrored import stac_item

DATED = re.compile(r".*_(?P<date>\d{8})_(?P<band>[^_]+)\.tif")
"""As a `RasterDataset` of torchgeo has it in `filename_regex`."""


async def test_torchgeo_reads_date_and_band_from_the_file_name(site, dest):
    scene = stac_item(
        "scene", B04=site.put("/a.tif", b"II*\0" + bytes(99)), B08=site.put("/b.tif", b"II*\0" + bytes(98))
    )
    scene["properties"]["datetime"] = "2021-05-04T10:00:00Z"
    assert (await run([scene], dest, layout="torchgeo")).ok
    found = {DATED.fullmatch(path.name).groups() for path in dest.rglob("*.tif")}
    assert found == {("20210504", "B04"), ("20210504", "B08")}


def test_a_layout_beside_a_template_is_a_usage_error(run_cli):
    ended = run_cli("mirror", "nowhere.json", "out", "--layout", "torchgeo", "-p", "${id}${ext}")
    assert ended.code == 2 and "layout and path_template" in ended.err


TOKEN = "gAAAAAB" + "x" * 120


async def test_a_file_name_is_never_a_download_token(site, dest):
    picture = {"href": site.put(f"/download/{TOKEN}", b"II*\0" + bytes(99)), "type": "image/tiff"}
    unstated = site.put(f"/download/{TOKEN}y", b"abc", content_type="application/octet-stream")
    named = site.put("/download/scene.tif", b"II*\0" + bytes(98))
    one = stac_item("one", B04=picture, other=unstated, named=named)
    assert (await run([one], dest, path_template="${id}/${filename}")).ok
    found = {path.name for path in (dest / "one").iterdir()}
    assert {name.partition(".")[0] for name in found} == {"B04", "other", "scene"}
    assert "B04.tif" in found and "scene.tif" in found
