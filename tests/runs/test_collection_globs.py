"""Globs and lists with commas in -c: the same collections from every kind of SOURCE, or exit code 3."""

import json

import pytest

from mlhub_async.core.errors import SourceError
from mlhub_async.core.options import Options, Selection
from mlhub_async.engine.mirror import mirror
from support.mirrored import Mirrored
from support.stac_server import Api, stac_collection, stac_item, static_catalog

IDS = ["ref_a_labels", "ref_a_source", "ref_b_labels", "other"]
KINDS = ["API", "plain API", "nested API", "static", "items", "NDJSON", "objects", "MLHub"]


def published(site):
    items = []
    for name in IDS:
        asset = site.put(f"/{name}.bin", name.encode() * 50)
        items.append(stac_item(f"{name}_1", name, data=asset))
    return items


@pytest.fixture
async def source_of(troubled, tmp_path):
    site = await troubled.site()
    items = published(site)

    def source(kind):
        file = tmp_path / ("items.ndjson" if kind == "NDJSON" else "items.json")
        root = {"type": "Catalog", "stac_version": "1.0.0", "id": "r", "description": "r"}
        match kind:
            case "API":
                return Api(site, items).url, {}
            case "plain API":
                link = {"rel": "data", "href": Api(site, items).url + "/collections"}
                return site.json("/plain", {**root, "conformsTo": [], "links": [link]}), {}
            case "nested API":
                links = [{"rel": "child", "href": Api(site, items).url}]
                return site.json("/above.json", {**root, "links": links}), {}
            case "static":
                return static_catalog(site, items), {}
            case "items":
                file.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
            case "NDJSON":
                file.write_text("\n".join(map(json.dumps, items)))
            case "objects":
                return items, {}
            case "MLHub":
                return "mlhub", {"MLHUB_ROOT_URL": Api(site, items).url}
        return file, {}

    return source


async def run(given, dest, *collections):
    source, environ = given
    options = Options(
        selection=Selection(collections=collections), api_key="k" if source == "mlhub" else None
    )
    return await mirror(source, dest, options, environ=environ)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_glob_selects_the_collections_whose_ids_match(source_of, dest, kind):
    for globs, expected in [
        (["ref_*"], IDS[:3]),
        (["ref_?_labels", "other"], [IDS[0], IDS[2], "other"]),
        (["ref_[!a]*"], [IDS[2]]),
    ]:
        place = dest / str(len(globs[0]))
        report = await run(source_of(kind), place, *globs)
        assert report.exit_code == 0, list(report.listing.reasons)
        assert {path.split("/")[0] for path in Mirrored(place).files} == set(expected)
        assert report.receipt()["selection"]["collections"] == (*globs,)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_glob_that_matches_nothing_is_an_error_that_names_what_is_near(source_of, dest, kind):
    with pytest.raises(SourceError, match=r"no (items of the )?collection.*'REF_\*'") as refused:
        await run(source_of(kind), dest, "REF_*")
    assert refused.value.exit_code == 3
    assert kind == "nested API" or "ref_a_labels" in refused.value.message


async def test_an_id_with_the_characters_of_a_glob_is_matched_by_its_own_text(troubled, dest):
    site = await troubled.site()
    names = ["a[1]", "a2"]
    items = [stac_item(f"i{n}", name, data=site.put(f"/{n}", b"x" * 9)) for n, name in enumerate(names)]
    report = await run((items, {}), dest, "a[1]")
    assert report.exit_code == 0 and len(Mirrored(dest).files) == 1


def test_words_of_c_may_have_commas(run_cli, site, dest):
    url = Api(site, published(site), collections=[stac_collection("empty")]).url
    done = run_cli("mirror", url, dest, "-c", "ref_a_labels, other", "-c", "ref_b*,")
    assert done.code == 0 and len(Mirrored(dest).files) == 3
    assert run_cli("plan", url, "-c", "ref_a_labels,nowhere").code == 3
    assert run_cli("plan", url, "-c", "nothing*").code == 3
    refused = run_cli("plan", url, "-c", ",")
    assert refused.code == 2 and "-c is empty" in refused.err
    assert run_cli("plan", url, "-c", "emp*").code == 9
