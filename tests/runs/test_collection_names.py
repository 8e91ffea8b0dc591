"""Aliases of collections, their ids in other letters, and items that name another collection."""

import json

import pytest

from mlhub_async import Options, Selection, mirror
from support.engine import AT_ONCE
from support.mirrored import Mirrored
from support.server import Reply, tif
from support.stac_server import Api, answer, stac_collection, stac_item

EMPTY = {"type": "FeatureCollection", "features": [], "numberMatched": 0}
FORMS = {
    "plain": {},
    "bbox": {"bbox": (0.0, 1.0, 2.0, 3.0)},
    "ids": {"ids": ("i0", "i1", "i2", "i3")},
    "split": {"split": 2},
    "bbox split": {"bbox": (0.0, 1.0, 2.0, 3.0), "split": 2},
}


class Aliased(Api):
    """An API that knows the collection `landsat-c2` by other names too. `searched`: by which its search."""

    searched = frozenset({"LANDSAT-c2", "landsat-c2"})

    def select(self, asked):
        asked = dict(asked)
        wanted = asked.pop("collections", None)
        names = wanted.split(",") if isinstance(wanted, str) else wanted
        low, _, high = str(asked.get("datetime") or "").partition("/")
        found = [
            one
            for one in super().select(asked)
            if (low in ("", "..") or one["properties"]["datetime"] >= low)
            and (high in ("", "..") or one["properties"]["datetime"] <= high)
        ]
        return found if not names or self.searched & set(names) else []


def served(site, named="landsat-c2", described="landsat-c2", paths=("LANDSAT-c2", "landsat-c2"), **more):
    items = [
        stac_item(
            f"i{number}",
            named,
            data=site.put(f"/i{number}.tif", tif(300, number)),
            properties={"datetime": f"2020-0{number + 1}-01T00:00:00Z"},
        )
        for number in range(4)
    ]
    api = Aliased(site, items, page_size=2, collections=more.get("collections", ()))
    api.searched = more.get("searched", Aliased.searched)
    for path in (f"/stac/collections/{named}", *(f"/stac/collections/{named}/items/i{n}" for n in range(4))):
        site.routes.pop(path, None)
        site.things.pop(path, None)
    about = stac_collection(described)
    for name in ("LANDSAT-c2", "landsat-c2"):
        site.route(f"/stac/collections/{name}", lambda _: answer(about))
    for name in ("LANDSAT-c2", "landsat-c2"):
        below = f"/stac/collections/{name}/items"
        if name in paths:
            site.route(below, lambda seen: api.page(seen, {}))
            for one in items:
                site.route(f"{below}/{one['id']}", lambda _, one=one: answer(one))
        elif more.get("empty"):
            site.route(below, lambda _: answer(EMPTY))
        else:
            site.route(below, lambda _: Reply(404, [], b"{}"))
    return api


async def mirrored(api, dest, *collections, **selection):
    chosen = Selection(collections=collections, **selection)
    return await mirror(api.url, dest, Options(chosen, retry=AT_ONCE, allow_private=True))


SERVERS = {
    "both names everywhere": {},
    "items by the id only": {"paths": ("landsat-c2",)},
    "items by the alias only": {"paths": ("LANDSAT-c2",)},
    "items by the alias, else an empty page": {"paths": ("LANDSAT-c2",), "empty": True},
    "items by the id, else an empty page": {"paths": ("landsat-c2",), "empty": True},
    "search by the id only": {"searched": frozenset({"landsat-c2"})},
    "search by the alias only": {"searched": frozenset({"LANDSAT-c2"})},
}


@pytest.fixture
async def site(troubled):
    return await troubled.site()


@pytest.mark.parametrize(
    ("server", "form"),
    [
        (server, form)
        for server in SERVERS
        for form in FORMS
        if "split" not in form or server == "both names everywhere"
    ],
)
async def test_a_collection_that_is_asked_for_by_an_alias_is_mirrored_under_its_own_id(
    site, dest, server, form
):
    api = served(site, **SERVERS[server])
    report = await mirrored(api, dest, "LANDSAT-c2", **FORMS[form])
    Mirrored(dest).check(0)
    assert sorted(Mirrored(dest).files) == [f"landsat-c2/i{number}/data.tif" for number in range(4)]
    assert report.fetched == 4
    assert json.loads((dest / "landsat-c2/collection.json").read_text())["id"] == "landsat-c2"
    again = await mirrored(api, dest, "LANDSAT-c2", "landsat-c2", **FORMS[form])
    assert (again.exit_code, again.skipped, again.fetched) == (0, 4, 0)


@pytest.mark.parametrize("form", FORMS)
async def test_items_of_a_collection_with_a_wrong_id_in_its_document_are_mirrored(site, dest, form):
    api = served(site, named="LANDSAT-c2", described="copied-from-another", paths=("LANDSAT-c2",))
    report = await mirrored(api, dest, "LANDSAT-c2", **FORMS[form])
    assert report.exit_code == 0 and sorted(Mirrored(dest).files) == [
        f"LANDSAT-c2/i{number}/data.tif" for number in range(4)
    ]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("described", [True, False])
async def test_items_of_another_collection_that_the_server_has_in_this_one_are_kept(
    site, dest, form, described
):
    """A collection that is made of the items of others: its endpoint has them, and so has each by its id."""
    more = {"collections": [stac_collection("scenes")]} if described else {}
    api = served(site, named="scenes", **more)
    if described:
        site.route("/stac/collections/scenes", lambda _: answer(stac_collection("scenes")))
    report = await mirrored(api, dest, "landsat-c2", **FORMS[form])
    assert report.exit_code == 0 and sorted(Mirrored(dest).files) == [
        f"scenes/i{number}/data.tif" for number in range(4)
    ]


async def test_items_of_collections_that_a_search_ignores_the_choice_of_are_left_out(site, dest):
    items = [
        stac_item(name, collection, data=site.put(f"/{name}.tif", tif(300)))
        for name, collection in (("a1", "a"), ("b1", "b"), ("b2", "b"))
    ]
    api = Api(site, items)
    api.select = lambda asked: [one for one in items if "ids" not in asked or one["id"] in asked["ids"]]
    site.route("/stac/collections/a/items", lambda _: Reply(404, [], b"{}"))
    report = await mirrored(api, dest, "a", bbox=(0.0, 1.0, 2.0, 3.0))
    assert report.exit_code == 0 and list(Mirrored(dest).files) == ["a/a1/data.tif"]
    assert site.count("/stac/collections/a/items/b1") == 1 == 1 + site.count("/stac/collections/a/items/b2")
