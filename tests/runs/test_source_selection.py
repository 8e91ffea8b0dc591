"""Conditions for followed source imagery: they choose among the scenes and leave the labels as they are."""

import json

import pytest

from mlhub_async import Selection, mirror
from mlhub_async.core.errors import UsageError
from mlhub_async.engine.planning.plan import plan_only
from support import engine
from support.mirrored import Mirrored
from support.stac_server import Api, stac_item, static_catalog

CLOUDS = {"clear": 3, "half": 50, "full": 97}


def assets(site, name, *keys):
    return {key: site.put(f"/{name}/{key}", f"{name} {key}".encode() * 9) for key in keys}


def catalogue(site):
    """Two labels of the same three scenes, each scene with two bands and a thumbnail."""
    scenes = []
    for number, (name, cloud) in enumerate(CLOUDS.items()):
        keys = {
            key: site.put(f"/{name}/{key}", f"{name} {key}".encode() * 9) for key in ("B02", "B03", "thumb")
        }
        about = {"datetime": f"2020-0{number + 1}-01T00:00:00Z", "eo:cloud_cover": cloud}
        scenes.append(stac_item(name, "scenes", properties=about, **keys))
    api = Api(site, scenes, root="/scenes-api")
    links = [{"rel": "source", "href": f"{api.url}/collections/scenes/items/{name}"} for name in CLOUDS]
    labels = []
    for name in ("l1", "l2"):
        labels.append({**stac_item(name, "labels", **assets(site, name, "labels", "thumb")), "links": links})
    return labels, scenes


async def files(site, source, dest, **selection):
    options = engine.make_options(Selection(**selection), allow_private=True, allow_origins=(site.url(""),))
    report = await mirror(source, dest, options)
    assert report.exit_code == 0, [str(flaw.error) for flaw in report.flaws]
    plan = await plan_only(source, options)
    assert plan.assets == report.selected
    return set(Mirrored(dest).files), report


LABELS = {f"labels/{name}/{key}" for name in ("l1", "l2") for key in ("labels", "thumb")}


def of_scenes(*names, keys=("B02", "B03", "thumb")):
    return {f"scenes/{name}/{key}" for name in names for key in keys}


@pytest.fixture
async def site(troubled):
    return await troubled.site()


@pytest.mark.parametrize("kind", ["items", "API", "static"])
@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ({}, LABELS | of_scenes(*CLOUDS)),
        ({"source_query": {"eo:cloud_cover": {"lt": 10}}}, LABELS | of_scenes("clear")),
        ({"source_query": {"eo:cloud_cover": {"lt": 0}}}, LABELS),
        ({"source_datetime": "2020-02/2020-03"}, LABELS | of_scenes("half", "full")),
        ({"source_include": ("B0*",)}, LABELS | of_scenes(*CLOUDS, keys=["B02", "B03"])),
        ({"source_exclude": ("thumb",)}, LABELS | of_scenes(*CLOUDS, keys=["B02", "B03"])),
        (
            {"include": ("labels",), "source_include": ("B*",), "source_exclude": ("B03",)},
            {"labels/l1/labels", "labels/l2/labels"} | of_scenes(*CLOUDS, keys=["B02"]),
        ),
        (
            {
                "exclude": ("thumb",),
                "source_include": ("thumb",),
                "source_query": {"eo:cloud_cover": {"gt": 90}},
            },
            {"labels/l1/labels", "labels/l2/labels", "scenes/full/thumb"},
        ),
        ({"exclude": ("thumb",)}, {one for one in LABELS | of_scenes(*CLOUDS) if "thumb" not in one}),
    ],
)
async def test_they_choose_among_the_scenes_only(site, dest, kind, selection, expected):
    labels, _ = catalogue(site)
    source = {"items": lambda: labels, "API": lambda: Api(site, labels).url}.get(
        kind, lambda: static_catalog(site, labels)
    )()
    found, report = await files(site, source, dest, **selection)
    assert found == expected
    if "source_query" in selection:
        counts = report.receipt()["listing"]["source_items"]
        assert counts["followed"] == 3 and counts["left_out"] > 0
        assert any("do not meet" in line for line in report.listing.remarks.lines)


@pytest.mark.parametrize("order", [1, -1])
async def test_a_scene_that_is_listed_itself_is_selected_as_such(site, dest, order):
    labels, scenes = catalogue(site)
    listed = [*labels, scenes[1]][::order]
    found, _ = await files(
        site, listed, dest, source_query={"eo:cloud_cover": {"lt": 60}}, source_include=("B02",)
    )
    assert found == LABELS | of_scenes("clear", keys=["B02"]) | of_scenes("half")


async def test_a_later_run_with_other_conditions_adds_what_is_missing(site, dest):
    labels, _ = catalogue(site)
    first, _ = await files(site, labels, dest, source_include=("B02",))
    second, report = await files(site, labels, dest, source_include=("B0*",))
    assert second - first == of_scenes(*CLOUDS, keys=["B03"]) and report.fetched == 3
    assert Mirrored(dest).href("clear", "B03", "scenes").startswith("./")


async def test_a_link_of_many_labels_does_not_hold_up_the_listing(site, dest):
    labels, _ = catalogue(site)
    many = [{**labels[0], "id": f"m{number}", "assets": {}} for number in range(1500)]
    found, _ = await files(site, many, dest, source_include=("B02",))
    assert found == of_scenes(*CLOUDS, keys=["B02"])


async def test_without_source_links_they_are_said_to_have_no_effect(site, dest):
    _, scenes = catalogue(site)
    _, report = await files(site, scenes, dest, source_query={"eo:cloud_cover": {"lt": 10}})
    assert report.listing.remarks.lines == ("--source-query: no source imagery was followed",)


def test_conditions_that_cannot_be_decided_are_usage_errors():
    with pytest.raises(UsageError, match="--source-query and --no-follow-sources"):
        Selection(source_query={"a": {"eq": 1}}, follow_sources=False)


def test_the_options_of_the_command_line(run_cli, troubled_thread, dest, tmp_path):
    site = troubled_thread.site()
    labels, _ = catalogue(site)
    file = tmp_path / "items.json"
    file.write_text(json.dumps({"type": "FeatureCollection", "features": labels}))
    words = ("mirror", file, dest, "--allow-private", "--allow-origin", site.url(""))
    chosen = ("--source-query", "eo:cloud_cover<60", "--source-datetime", "2020-02/..")
    assert run_cli(*words, *chosen, "--source-include", "B0*", "--source-exclude", "B03").code == 0
    assert set(Mirrored(dest).files) == LABELS | {"scenes/half/B02"}
    assert Mirrored(dest).receipt["selection"]["source_query"] == {"eo:cloud_cover": {"lt": 60}}
    refused = run_cli("plan", file, "--source-query", '{"a": {"like": 1}}')
    assert refused.code == 2 and "--source-query a: no operator 'like'" in refused.err
    refused = run_cli(*words, "--source-query", "a<1", "--prune")
    assert refused.code == 2 and "--prune and --source-query" in refused.err


async def test_a_plan_counts_urls_beside_references(site, tmp_path):
    body = b"shared bytes" * 100
    shared = {"href": site.put("/shared.bin", body), "file:size": len(body)}
    own = {"href": site.put("/own.bin", body), "file:size": len(body)}
    signed = {**shared, "href": shared["href"] + "?sig=abc&se=2030-01-01&sv=2020-01-01"}
    items = [stac_item("a", data=shared, own=own), stac_item("b", data=shared), stac_item("c", data=signed)]
    plan = await plan_only(items, engine.make_options(allow_private=True))
    assert (plan.assets, plan.known_bytes) == (4, 4 * len(body))
    assert (plan.urls, plan.url_bytes) == (2, 2 * len(body))
    assert plan.summary()["urls"] == 2
    report = await engine.run(items, tmp_path / "dest")
    assert report.exit_code == 0 and sum(one.path in ("/shared.bin", "/own.bin") for one in site.log) == 2
