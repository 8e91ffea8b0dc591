"""A selection that nothing matches is exit code 9, whoever selects; an empty SOURCE without one is 0."""

import json

import pytest

from support.mirrored import Mirrored, publish
from support.stac_server import Api, stac_collection, stac_item, static_catalog

NAMES = ["i0", "i1"]
NOTHING = {
    "--bbox": ("--bbox", "50 50 51 51"),
    "--datetime": ("--datetime", "1999"),
    "--ids": ("--ids", "nowhere", "--ids", "elsewhere"),
    "--query": ("--query", "eo:cloud_cover<10"),
    "--class": ("--class", "Wheat"),
    "-i": ("-i", "thumbnail"),
    "-x": ("-x", "*"),
    "--role": ("--role", "metadata"),
    "--media-type": ("--media-type", "image/png"),
}
SAID = {
    "-i": "no asset key matches 'thumbnail'; keys here: data",
    "-x": "-x '*' leaves no asset; keys here: data",
    "--role": "no asset has the role 'metadata'; roles here: none",
    "--media-type": "no asset has the media type 'image/png'; media types here: none",
}


@pytest.fixture
def site(troubled_thread):
    return troubled_thread.site()


@pytest.fixture(params=["API", "API without search", "static", "items", "NDJSON"])
def source(request, site, tmp_path):
    items = publish(site, NAMES)
    file = tmp_path / ("items.ndjson" if request.param == "NDJSON" else "items.json")
    match request.param:
        case "API":
            return Api(site, items).url
        case "API without search":
            root = {"type": "Catalog", "stac_version": "1.0.0", "id": "r", "description": "r"}
            link = {"rel": "data", "href": Api(site, items).url + "/collections"}
            return site.json("/plain", {**root, "conformsTo": [], "links": [link]})
        case "static":
            return static_catalog(site, items)
        case "items":
            file.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
        case _:
            file.write_text("\n".join(map(json.dumps, items)))
    return file


@pytest.mark.parametrize("option", NOTHING)
def test_nothing_matches_and_allow_empty_accepts_that(run_cli, source, dest, option):
    words = (source, "-c", "c1", *NOTHING[option])
    ended = run_cli("mirror", source, dest, *words[1:])
    assert ended.code == 9, ended.err
    receipt = Mirrored(dest).receipt
    assert receipt["exit_code"] == 9 and receipt["listing"]["complete"] and not Mirrored(dest).files
    assert "nothing matches the selection" in ended.err
    if option in SAID:
        assert SAID[option] in ended.err
    assert run_cli("plan", *words).code == run_cli("mirror", source, dest, *words[1:], "-n").code == 9
    assert run_cli("plan", *words, "--allow-empty").code == 0
    assert run_cli("mirror", source, dest, *words[1:], "--allow-empty").code == 0


def test_the_extent_of_the_collection_is_told(run_cli, site, dest):
    extent = {"spatial": {"bbox": [[1, 2, 3, 4]]}, "temporal": {"interval": [["2020-01-01T00:00:00Z", None]]}}
    api = Api(site, publish(site, NAMES), collections=[stac_collection("c1", extent=extent)])
    ended = run_cli("mirror", api.url, dest, "-c", "c1", "--bbox", "50 50 51 51")
    assert ended.code == 9 and "2020-01-01T00:00:00Z to .." in ended.err and "1 2 3 4" in ended.err


@pytest.mark.parametrize("words", [(), ("-c", "c1")], ids=["no selection", "-c"])
def test_a_collection_without_items_is_9_if_it_was_asked_for(run_cli, site, dest, words):
    api = Api(site, [], collections=[stac_collection("c1")])
    expected = 9 if words else 0
    assert run_cli("mirror", api.url, dest, *words).code == expected
    assert run_cli("plan", api.url, *words).code == expected


def test_assets_of_the_collection_itself_match_it(run_cli, site, dest):
    about = publish(site, ["about"])[0]["assets"]
    api = Api(site, [], collections=[stac_collection("c1", assets=about)])
    assert run_cli("mirror", api.url, dest, "-c", "c1").code == 0
    assert len(Mirrored(dest).files) == 1


def test_an_unknown_collection_stays_exit_code_3(run_cli, site, dest):
    assert run_cli("mirror", Api(site, publish(site, NAMES)).url, dest, "-c", "c9", "--allow-empty").code == 3


def test_one_id_of_two_is_exit_code_4(run_cli, site, dest):
    url = Api(site, publish(site, NAMES)).url
    ended = run_cli("mirror", url, dest, "-c", "c1", "--ids", "i0", "--ids", "nowhere")
    assert ended.code == 4 and Mirrored(dest).receipt["listing"]["complete"]


@pytest.mark.parametrize("words", [(), ("--allow-empty",)], ids=["9", "allow-empty"])
def test_an_empty_listing_never_prunes(run_cli, site, dest, words):
    items = publish(site, NAMES)
    api = Api(site, items, collections=[stac_collection("c1")])
    assert run_cli("mirror", api.url, dest, "-c", "c1").code == 0
    api.items = []
    ended = run_cli("mirror", api.url, dest, "-c", "c1", "--prune", *words)
    assert ended.code == (0 if words else 9) and "nothing was pruned" in ended.err
    assert len(Mirrored(dest).files) == 2
    assert run_cli("mirror", api.url, dest, "--prune", *words).code == 4
    assert len(Mirrored(dest).files) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-i", "label"), "no asset key matches 'label'; keys here: labels, documentation, source_dates"),
        (("-i", "label*", "-x", "labels"), "-x 'labels' leaves no asset"),
        (("--role", "thumbnail"), "no asset has the role 'thumbnail'; roles here: data, metadata"),
        (("--media-type", "image/png"), "media types here: image/tiff, text/plain"),
        (("--min-size", "1M"), "sizes here: 1.0 KiB to 2.0 KiB"),
        (("-i", "labels", "--role", "metadata"), "no asset meets all conditions on assets together"),
    ],
)
def test_the_conditions_that_no_asset_meets_are_named(words, said, tmp_path, run_cli):
    assets = {
        "labels": {"href": "http://h.test/l", "type": "image/tiff", "roles": ["data"], "file:size": 1024},
        "documentation": {"href": "http://h.test/d", "type": "text/plain", "roles": ["metadata"]},
        "source_dates": {"href": "http://h.test/s", "file:size": 2048, "roles": ["metadata"]},
    }
    file = tmp_path / "items.json"
    sized = {key: {"file:size": 1024, **asset} for key, asset in assets.items()}
    file.write_text(json.dumps({**stac_item("i"), "assets": sized}))
    done = run_cli("plan", file, *words)
    assert done.code == 9 and said in done.err, done.err


KENYA = {"spatial": {"bbox": [[33.9, -4.7, 41.9, 5.5]]}, "temporal": {"interval": [[None, None]]}}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("--bbox", "-2 36 -1 37"),
            "--bbox look like latitude before longitude: it touches no collection, --bbox 36 -2 37 -1 does",
        ),
        (
            ("--intersects", '{"type": "Point", "coordinates": [-2, 36]}'),
            "--intersects look like latitude before longitude",
        ),
    ],
)
def test_latitude_before_longitude_is_told(words, said, site, run_cli, dest):
    api = Api(site, publish(site, NAMES), collections=[stac_collection("c1", extent=KENYA)])
    for source in (("mirror", api.url, dest), ("plan", api.url)):
        done = run_cli(*source, "-c", "c1", *words)
        assert done.code == 9 and said in done.err, done.err
    elsewhere = run_cli("plan", api.url, "-c", "c1", "--bbox", "100 50 101 51")
    assert elsewhere.code == 9 and "latitude" not in elsewhere.err


def test_without_extents_the_order_of_the_numbers_is_told(site, run_cli, tmp_path):
    file = tmp_path / "items.json"
    file.write_text(json.dumps({"type": "FeatureCollection", "features": publish(site, NAMES)}))
    done = run_cli("plan", file, "--bbox", "-2 36 -1 37")
    assert done.code == 9 and "if yours are not, it is --bbox 36 -2 37 -1" in done.err
    refused = run_cli("plan", file, "--bbox", "36 -122 37 -121")
    assert refused.code == 2 and "if these are latitudes first, it is -122 36 -121 37" in refused.err


@pytest.mark.parametrize(
    "words", [("--bbox", "50 50 51 51"), ("--ids", "none", "-i", "x"), ("--class", "Wheat")]
)
def test_ls_of_nothing_is_9_too(site, run_cli, words):
    url = static_catalog(site, publish(site, NAMES))
    done = run_cli("ls", url, "-c", "c1", *words)
    assert done.code == 9 and "nothing matches the selection" in done.err
    assert run_cli("ls", url, "-c", "c1", *words, "--allow-empty").code == 0
