"""`--split`: a listing that is read in several time slices at once gives what the whole gives."""

import asyncio
import json
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mlhub_async import Options, Selection, mirror
from mlhub_async.core.model import Item
from mlhub_async.engine.planning.plan import plan_only
from mlhub_async.sources.api.slices import Overlap, Slice
from mlhub_async.stac import datetimes
from support.counterparts import rustac
from support.engine import AT_ONCE
from support.mirrored import Mirrored, publish
from support.server import Troubled
from support.stac_server import Api, answer, stac_collection, stac_item, static_catalog
from support.wire_format import Reply

BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
EXTENT = {
    "spatial": {"bbox": [[-180, -90, 180, 90]]},
    "temporal": {"interval": [["2020-01-01T00:00:00Z", None]]},
}


class Timed(Api):
    """An API that selects by time. `sees`: "spans" and moments, only "moments", or "nothing"."""

    sees = "spans"
    asked: list[str]

    def select(self, asked):
        found = super().select(asked)
        if (wanted := asked.get("datetime")) is None or self.sees == "nothing":
            return found
        bounds = datetimes.parse_interval(wanted)
        return [one for one in found if self.meets(one["properties"], bounds)]

    def meets(self, properties, bounds):
        if self.sees == "moments":
            properties = {"datetime": properties.get("datetime")}
        return datetimes.is_within(properties, bounds)


def day(number):
    return (BEGIN + timedelta(days=number)).isoformat().replace("+00:00", "Z")


def at(name, first, last=None, **assets):
    """An item with the time of day `first`, with a span of days if `last` is given, or without any time."""
    if first is None:
        when = {"datetime": None}
    elif last is None:
        when = {"datetime": day(first)}
    else:
        when = {
            "datetime": None,
            "start_datetime": day(min(first, last)),
            "end_datetime": day(max(first, last)),
        }
    return stac_item(name, properties=when, **assets)


def timed(site, items, page_size=2, sees="spans", **about):
    api = Timed(site, items, page_size, collections=[stac_collection("c1", extent=EXTENT)], **about)
    api.sees = sees
    return api


async def listed(url, **selection):
    """How often each id was counted, and the listing in the receipt."""
    owners = []
    options = Options(selection=Selection(limit=2, **selection))
    plan = await plan_only(url, options, save=lambda owner, _: owners.append(owner))
    return Counter(one.id for one in owners if isinstance(one, Item)), plan.listing.receipt()


def balances(receipt):
    counted = receipt["returned"] - receipt["left_out"] - receipt["repeated"] + receipt["vanished"]
    return receipt["complete"] and receipt["unique"] == counted


days = st.none() | st.integers(0, 40)
items_of_any_time = st.lists(st.tuples(days, st.none() | st.integers(0, 40)), max_size=14)
EIGHT = [(n, None) for n in range(0, 32, 4)]


def test_times_at_the_ends_of_the_calendar_are_usable():
    piece = Slice(BEGIN, BEGIN + timedelta(days=9), BEGIN, BEGIN + timedelta(days=9), 1)
    without_end = {"start_datetime": day(3), "end_datetime": "9999-12-31T23:59:59-05:00"}
    since_ever = {"start_datetime": "0001-01-01T00:00:00+05:00", "end_datetime": day(3)}
    for span in (without_end, since_ever):
        assert datetimes.is_within(span, piece.bounds)
        overlap = Overlap()
        overlap.add([stac_item("a", properties={"datetime": None, **span})] * 2, piece)
        assert overlap.distinct == 1


@given(
    items_of_any_time,
    st.integers(2, 5),
    st.sampled_from(["spans", "moments", "nothing"]),
    st.booleans(),
    st.sampled_from([None, "2020-01-05T00:00:00Z/2020-01-20T00:00:00Z", "../2020-01-21T00:00:00Z"]),
)
@example([(16, None)] * 6 + EIGHT, 4, "spans", True, None)
@example([(16, None)] * 6 + EIGHT + [(4, 28), (None, None)], 3, "moments", True, None)
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
def test_slices_give_the_same_items_as_the_whole_for_any_times(moments, parts, sees, matched, between):
    items = [at(f"i{n}", first, last) for n, (first, last) in enumerate(moments)]

    async def both():
        async with Troubled() as troubled:
            site = await troubled.site()
            url = timed(site, items, sees=sees, matched=matched).url
            chosen = {"collections": ("c1",), "datetime": between}
            return await listed(url, **chosen), await listed(url, **chosen, split=parts)

    (ids, receipt), (split_ids, split_receipt) = asyncio.run(both())
    assert split_ids == ids and max(ids.values(), default=1) == 1
    assert split_receipt["unique"] == receipt["unique"] == len(ids)
    assert split_receipt["matched"] == receipt["matched"]
    assert balances(receipt) and balances(split_receipt)


@pytest.fixture
async def site(troubled):
    return await troubled.site()


async def test_slices_are_cut_where_the_items_are_and_items_at_a_border_count_once(site):
    """Six items have the time of the first cut."""
    items = [at(f"i{n}", n) for n in range(0, 32, 4)]
    extent = {"temporal": {"interval": [[day(0), day(32)]]}}
    api = Timed(
        site,
        [*items, *(at(f"tie{n}", 16) for n in range(6))],
        2,
        collections=[stac_collection("c1", extent=extent)],
    )
    ids, receipt = await listed(api.url, collections=("c1",), split=4)
    assert len(ids) == receipt["unique"] == receipt["matched"] == 14
    assert receipt["split"] == {"parts": {"c1": 4}, "whole": []}
    assert receipt["repeated"] >= 6 and balances(receipt)
    assert receipt["returned"] == 14 + receipt["repeated"]


async def test_a_search_over_all_collections_is_read_in_slices(site):
    items = [at(f"i{n}", n * 100) | {"collection": f"c{n % 3}"} for n in range(12)]
    api = timed(site, items)
    between = "2019-01-01T00:00:00Z/.."
    ids, receipt = await listed(api.url, datetime=between, split=3)
    assert set(ids) == {one["id"] for one in items}
    assert receipt["split"] == {"parts": {"search 1": 3}, "whole": []} and balances(receipt)


@pytest.mark.parametrize(
    ("sees", "about", "chosen", "reason"),
    [
        ("moments", {}, {}, "leaves some of its items out"),
        ("nothing", {}, {}, "does not divide it"),
        ("spans", {"matched": False}, {}, "no total"),
        ("spans", {}, {"max_items": 5}, "--max-items"),
        ("spans", {}, {"datetime": day(0)}, "too small"),
    ],
    ids=str,
)
async def test_a_listing_that_cannot_be_split_is_read_as_a_whole_and_the_receipt_gives_the_reason(
    site, sees, about, chosen, reason
):
    items = [at("no time", None), *(at(f"i{n}", n) for n in range(12))]
    api = timed(site, items, sees=sees, **about)
    ids, _ = await listed(api.url, collections=("c1",), **chosen)
    split_ids, receipt = await listed(api.url, collections=("c1",), split=3, **chosen)
    assert split_ids == ids and receipt["complete"]
    assert receipt["split"]["parts"] == {} and reason in receipt["split"]["whole"][0]


async def test_a_source_without_a_search_by_time_is_listed_with_a_remark(site, dest, run_cli):
    items = publish(site, ["one", "two"])
    ended = await asyncio.to_thread(run_cli, "mirror", static_catalog(site, items), dest, "--split", 4)
    assert ended.code == 0, ended.err
    assert "--split: listed as a whole, this kind of source" in ended.err + ended.out
    assert len(Mirrored(dest).files) == 2


async def test_a_search_by_ids_is_not_split(site):
    api = timed(site, [at(f"i{n}", n) for n in range(5)])
    ids, receipt = await listed(api.url, collections=("c1",), ids=("i1", "i3"), split=3)
    assert set(ids) == {"i1", "i3"} and "--ids" in receipt["split"]["whole"][0]


async def test_a_server_that_drops_the_time_from_its_next_links_is_read_as_a_whole(site):
    class Forgetful(Timed):
        def link(self, rel, seen, asked, value):
            return super().link(rel, seen, {k: v for k, v in asked.items() if k != "datetime"}, value)

    items = [at(f"i{n:02}", n * 10) for n in range(40)]
    api = Forgetful(site, items, 2, collections=[stac_collection("c1", extent=EXTENT)])
    ids, receipt = await listed(api.url, collections=("c1",), split=4)
    assert len(ids) == receipt["unique"] == 40 and receipt["complete"]
    assert receipt["split"]["parts"] == {} and receipt["split"]["whole"] != []


async def test_an_item_that_appears_while_slices_are_read_is_found_by_reading_the_whole(site):
    class Growing(Timed):
        def page(self, seen, fixed):
            if "token" in seen.query and len(self.items) == 16:
                self.items.append(at("late", 3))
            return super().page(seen, fixed)

    api = Growing(
        site, [at(f"i{n}", n) for n in range(16)], 2, collections=[stac_collection("c1", extent=EXTENT)]
    )
    ids, receipt = await listed(api.url, collections=("c1",), split=3)
    assert len(ids) == receipt["unique"] == receipt["matched"] == 17 and receipt["complete"]
    assert "its parts came to" in receipt["split"]["whole"][0]


def spread(site, count):
    """Items with one small asset each, in pairs of the same time, eight days apart."""
    items = publish(site, [f"i{n}" for n in range(count)], 2_000)
    for number, item in enumerate(items):
        item["properties"] = {"datetime": day(number // 2 * 8)}
    return items


async def mirrored(url, dest, split):
    chosen = Selection(collections=("c1",), limit=2, split=split)
    options = Options(selection=chosen, retry=AT_ONCE, allow_private=True)
    return await mirror(url, dest, options)


async def test_a_mirror_with_split_has_the_same_files_and_manifest(site, tmp_path):
    api = timed(site, spread(site, 12))
    reports = []
    for split in (1, 4):
        reports.append(await mirrored(api.url, tmp_path / str(split), split))
        Mirrored(tmp_path / str(split)).check(0)
    whole, parts = reports
    assert parts.manifest_sha256 == whole.manifest_sha256
    assert parts.receipt()["assets"] == whole.receipt()["assets"]
    assert parts.receipt()["listing"]["split"]["parts"] == {"c1": 4}
    assert balances(parts.receipt()["listing"])


async def test_a_slice_that_breaks_off_is_completed_by_the_next_run(site, dest):
    class Breaking(Timed):
        works = False

        def page(self, seen, fixed):
            return super().page(seen, fixed) if self.works or "token" not in seen.query else Reply(500)

    api = Breaking(site, spread(site, 24), 2, collections=[stac_collection("c1", extent=EXTENT)])
    assert (await mirrored(api.url, dest, 3)).exit_code == 5
    Mirrored(dest).check(5)
    assert 0 < len(Mirrored(dest).files) < 24
    api.works = True
    assert (await mirrored(api.url, dest, 3)).exit_code == 0
    Mirrored(dest).check(0)
    assert len(Mirrored(dest).files) == 24


async def test_only_the_slice_that_changed_is_read_again(site):
    """One page of one slice repeats an item instead of another one, once; the total stays the same."""

    class Shifting(Timed):
        shifts = 1

        def page(self, seen, fixed):
            reply = super().page(seen, fixed)
            document = json.loads(reply.body)
            shown = [one["id"] for one in document["features"]]
            if not self.shifts or "token" not in seen.query or "i06" not in shown:
                return reply
            self.shifts -= 1
            document["features"][shown.index("i06")] = self.items[4]
            return answer(document)

    items = [at(f"i{n:02}", n * 8) for n in range(16)]
    api = Shifting(site, items, 2, collections=[stac_collection("c1", extent=EXTENT)])
    ids, receipt = await listed(api.url, collections=("c1",), split=2)
    assert api.shifts == 0 and receipt["sweeps"] == 2
    assert len(ids) == receipt["unique"] == 16 and balances(receipt)
    assert receipt["split"]["parts"] == {"c1": 2}


async def test_rustac_which_gives_no_total_is_listed_as_a_whole(tmp_path):
    items = [at(f"i{n}", n) for n in range(30)]
    collection = stac_collection("c1", extent=EXTENT)
    with rustac(tmp_path / "rustac", [collection, {"type": "FeatureCollection", "features": items}]) as url:
        ids, _ = await listed(url, collections=("c1",))
        split_ids, receipt = await listed(url, collections=("c1",), split=4)
    assert split_ids == ids and len(ids) == 30 and receipt["complete"]
    assert receipt["split"] == {"parts": {}, "whole": ["c1: the server gives no total"]}
