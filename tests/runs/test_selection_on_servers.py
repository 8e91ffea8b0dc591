"""One selection of servers that filter, ignore or refuse it, and of a static copy: one set of items."""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from mlhub_async import Selection, UsageError, mirror
from mlhub_async.core.errors import SourceError
from mlhub_async.core.model import Item
from mlhub_async.engine.planning.plan import plan_only
from support.engine import AT_ONCE, make_options
from support.selections import BEGIN, SELECTIONS, Asked, both, in_box, in_time, many_items, meets
from support.server import Troubled, tif
from support.stac_server import CONFORMS, Api, answer, static_catalog

ITEMS = many_items(160)
FILTERS = "https://api.stacspec.org/v1.0.0/item-search#filter"
LANGUAGES = [f"http://www.opengis.net/spec/cql2/1.0/conf/{one}" for one in ("cql2-text", "cql2-json")]
QUERIES = "https://api.stacspec.org/v1.0.0/item-search#query"


@dataclass
class Selecting(Api):
    """`filters`: selects by box, geometry and time as pgstac does, W > E read as the rest of the world.

    `refuses`: names of parameters, or "POST", that are answered by this status.
    """

    filters: bool = False
    refuses: tuple[str, ...] = ()
    status: int = 400
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        self.refused: list[str] = []

    def landing(self, seen):
        found = json.loads(super().landing(seen).body)
        return answer({**found, "conformsTo": [*CONFORMS, *self.classes]})

    def page(self, seen, fixed):
        asked = json.loads(seen.body) if seen.method == "POST" else dict(parse_qsl(seen.query))
        for name in self.refuses:
            if name in asked or name == seen.method:
                self.refused.append(name)
                reply = answer({"code": "BadRequest", "description": f"no {name} here"})
                reply.status = self.status
                return reply
        return super().page(seen, fixed)

    def select(self, asked):
        found = super().select(asked)
        if not self.filters:
            return found
        if "bbox" in asked:
            box = asked["bbox"]
            numbers = [float(n) for n in box.split(",")] if isinstance(box, str) else box
            assert len(numbers) == 4
            west, east = sorted((numbers[0], numbers[2]))
            found = filter(meets(shapely.box(west, numbers[1], east, numbers[3])), found)
        if "intersects" in asked:
            shape = asked["intersects"]
            shape = json.loads(shape) if isinstance(shape, str) else shape
            found = filter(meets(shapely.geometry.shape(shape)), found)
        if "datetime" in asked:
            first, _, last = asked["datetime"].partition("/")
            bounds = [None if end == ".." else end for end in (first, last or first)]
            found = filter(in_time(*bounds), found)
        return list(found)


async def chosen(url: str, fields: dict[str, Any], **more: Any) -> tuple[set[tuple[str, str]], Any]:
    """The items that a selection has of a source, and the plan."""
    owners: list[Any] = []
    options = make_options(Selection(**{**fields, **more}), retry=AT_ONCE, allow_private=True)
    plan = await plan_only(url, options, save=lambda owner, _: owners.append(owner))
    found = [(one.collection, one.id) for one in owners if isinstance(one, Item)]
    assert len(found) == len(set(found)), "an item came twice"
    return set(found), plan


CONDITIONS = ("query", "filter", "intersects")
ALL_CLASSES = (FILTERS, *LANGUAGES, QUERIES)


@pytest.mark.parametrize("name", SELECTIONS)
async def test_a_selection_means_the_same_on_every_server(name):
    asked = SELECTIONS[name]
    expected = asked.identities(ITEMS)
    assert expected
    everything = ("POST", *CONDITIONS, "datetime", "bbox")
    kinds: dict[str, dict[str, Any]] = {
        "ignores": {"merge": True},
        "filters": {"filters": True},
        "refuses-conditions": {"refuses": CONDITIONS, "classes": ALL_CLASSES},
        "fails": {"filters": True, "refuses": CONDITIONS, "classes": ALL_CLASSES, "status": 500},
        "refuses-POST": {"filters": True, "refuses": ("POST",), "status": 405},
        "refuses-all": {"refuses": everything, "status": 422, "classes": ALL_CLASSES},
    }
    async with Troubled() as troubled:
        site = await troubled.site()
        for kind, traits in kinds.items():
            server = Selecting(site, ITEMS, root=f"/{kind}", page_size=50, **traits)
            for split in (1, 3) if kind in ("filters", "refuses-conditions") else (1,):
                found, plan = await chosen(server.url, asked.fields, split=split)
                assert found == expected, (kind, split)
                assert plan.listing.complete, (kind, split, plan.listing.reasons)
        found, plan = await chosen(static_catalog(site, ITEMS), asked.fields)
        assert found == expected and plan.listing.complete


numbers = st.integers(-90, 90)
boxes = st.tuples(st.integers(-180, 180), numbers, st.integers(-180, 180), numbers).filter(
    lambda box: box[1] <= box[3]
)
days = st.integers(0, 500).map(lambda number: BEGIN + timedelta(days=number))
moments = st.builds(
    lambda day, part: day + timedelta(seconds=part), days, st.sampled_from([0, 43200, 86399.5])
)


@settings(max_examples=15)
@given(st.none() | boxes, st.none() | st.tuples(moments, moments))
async def test_any_box_and_time_means_the_same_on_every_server(box, times):
    fields, wants = {}, [lambda _: True]
    if box is not None:
        fields["bbox"], wants = box, [*wants, in_box(*box)]
    if times is not None:
        first, last = sorted(times)
        fields["datetime"] = f"{first.isoformat()}/{last.isoformat()}"
        wants.append(in_time(first.isoformat(), last.isoformat()))
    expected = Asked(fields, both(*wants)).identities(ITEMS)
    async with Troubled() as troubled:
        site = await troubled.site()
        filtering = Selecting(site, ITEMS, root="/filters", page_size=100, filters=True)
        for url in (filtering.url, Api(site, ITEMS, page_size=100).url, static_catalog(site, ITEMS)):
            found, plan = await chosen(url, fields)
            assert found == expected and plan.listing.complete, url


async def test_a_refused_condition_is_asked_for_once_and_told_in_one_line(tmp_path):
    async with Troubled() as troubled:
        site = await troubled.site()
        site.put("/data.tif", tif(100))
        items = many_items(30, site.url("/data.tif"))
        server = Selecting(site, items, refuses=("query",), classes=(QUERIES,), page_size=5)
        fields = {"query": {"gsd": {"eq": 10}}, "datetime": "2020"}
        options = make_options(Selection(**fields), retry=AT_ONCE, allow_private=True)
        report = await mirror(server.url, tmp_path / "m", options)
    assert report.exit_code == 0
    assert len([line for line in report.listing.remarks.lines if "refuses --query (HTTP 400)" in line]) == 1
    assert report.receipt()["selection"]["decided"] == {"datetime": "server, and here again", "query": "here"}


async def test_a_refusal_without_any_optional_condition_is_told_in_the_servers_own_words():
    async with Troubled() as troubled:
        server = Selecting(await troubled.site(), ITEMS, refuses=("limit", "POST", "GET"))
        with pytest.raises(SourceError, match=r"no (POST|GET|limit) here"):
            await chosen(server.url, {"bbox": (0, 0, 1, 1)})


async def test_a_server_that_has_filtered_is_not_filtered_again():
    class Own(Selecting):
        """Its filter means what it alone knows."""

        def select(self, asked):
            found = super().select(asked)
            return found[:20] if "filter" in asked else found

    async with Troubled() as troubled:
        server = Own(await troubled.site(), ITEMS, page_size=7, classes=ALL_CLASSES)
        found, _ = await chosen(server.url, {"filter": "nosuch(platform) = 1"})
        assert len(found) == 20
        for classes in ((FILTERS,), (*LANGUAGES,), ("/conf/features-filter", *LANGUAGES)):
            server.classes = classes
            found, _ = await chosen(server.url, {"filter": "platform = 'nosuch'"})
            assert found == set(), classes
            with pytest.raises(UsageError, match=r"nosuch\(\) cannot be evaluated here"):
                await chosen(server.url, {"filter": "nosuch(platform) = 1"})
