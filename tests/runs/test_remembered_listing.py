"""`--full-every`: an API is asked for what has changed, and the mirror is that of a full listing."""

import contextlib
import json
import random
import re
import sqlite3
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from mlhub_async.engine.planning.remembered import changes as reading
from mlhub_async.stac.datetimes import parse_instant
from mlhub_async.storage.ledger.lookups.overview import last_runs
from support.engine import is_as_listed_in_full, run
from support.mirrored import Mirrored, wait_for
from support.server import Stall, noise, tif
from support.stac_server import CONFORMS, CORE, Api, answer, stac_item

START = datetime(2024, 1, 1, tzinfo=UTC)
FILTERS = [f"{CORE}/item-search#filter", "http://www.opengis.net/spec/cql2/1.0/conf/cql2-text"]
SINCE = re.compile(r"updated >= TIMESTAMP\('([^']+)'\)")


def text(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class ChangingApi(Api):
    """An API whose items come, change and go. `hour` is the time of its clock.

    `filters`: whether it has the filter extension; `fault`: what is wrong with a filtered listing.
    """

    filters = True
    fault = ""
    hour = 0

    def landing(self, seen):
        reply = json.loads(super().landing(seen).body)
        return answer({**reply, "conformsTo": CONFORMS + (FILTERS if self.filters else [])})

    def select(self, asked):
        found = super().select(asked)
        if self.filters and (since := SINCE.fullmatch(asked.get("filter") or "")):
            bound = parse_instant(since[1])
            times = [(parse_instant(one["properties"].get("updated")), one) for one in found]
            changed = [one for moment, one in times if moment is not None and moment >= bound]
            faulty = {"nothing": [], "everything": found, "repeated": changed + changed[:1]}
            return faulty.get(self.fault, changed)
        return found

    @property
    def now(self):
        return START + timedelta(hours=self.hour)

    def put(self, id, updated=None, seed=0, size=500, collection="c1"):
        """An item with new bytes, in place of one with the same id. `updated`: None: now; "": none."""
        moment = text(self.now) if updated is None else updated
        href = self.site.put(f"/{id}-{seed}.tif", noise(size, seed), etag=f'"{seed}"')
        properties = {"updated": moment} if moment else {}
        one = stac_item(id, collection, data={"href": href, "type": "image/tiff"}, properties=properties)
        one["links"] = [{"rel": "self", "href": f"{self.url}/collections/{collection}/items/{id}"}]
        self.items = [other for other in self.items if other["id"] != id] + [one]

    def drop(self, id):
        self.items = [one for one in self.items if one["id"] != id]


@pytest.fixture
async def api(troubled):
    of_both = [stac_item("first"), stac_item("second", "c2")]
    made = ChangingApi(await troubled.site(), of_both, page_size=10)
    made.items = []
    for number in range(45):
        made.hour = number
        made.put(f"i{number}", seed=number)
    return made


async def mirrored(api, dest, *collections, **options):
    """A run; returns its report and the member "listing" of the receipt."""
    api.hour += 1
    report = await run(api.url, dest, *(collections or ["c1"]), **{"full_every": 5, **options})
    return report, Mirrored(dest).receipt["listing"]


async def is_as_a_full_one(api, report, dest, *collections):
    return await is_as_listed_in_full(api.url, dest, report, api.items, *(collections or ["c1"]))


def pages(api):
    return sum(len(seen) for path, seen in api.site.requests.items() if path.endswith(("/items", "/search")))


async def test_the_next_run_lists_only_what_has_changed(api, dest):
    report, listing = await mirrored(api, dest)
    assert report.exit_code == 0 and listing["kind"] == "full" and listing["unique"] == 45
    api.put("new", seed=100)
    api.put("i7", seed=107)
    before, tifs = pages(api), len([seen for seen in api.site.log if seen.path.endswith(".tif")])
    report, listing = await mirrored(api, dest)
    assert listing["kind"] == "changes" and listing["carried"] == 43 and listing["complete"]
    assert "updated" in listing["relies_on"] and listing["since"].startswith("2024-01-02")
    assert pages(api) - before <= 3
    assert len([seen for seen in api.site.log if seen.path.endswith(".tif")]) - tifs == 2
    assert report.selected == 46 and report.fetched == 2 and report.skipped == 44
    assert await is_as_a_full_one(api, report, dest)
    Mirrored(dest).check(0)


async def test_nothing_new_is_nothing_to_do(api, dest):
    await mirrored(api, dest)
    report, listing = await mirrored(api, dest)
    assert listing["kind"] == "changes" and listing["carried"] >= 44 and report.fetched == 0
    assert report.selected == 45 and await is_as_a_full_one(api, report, dest)


async def test_every_nth_run_is_a_full_one(api, dest):
    kinds = [(await mirrored(api, dest, full_every=3))[1]["kind"] for _ in range(7)]
    assert kinds == ["full", "changes", "changes", "full", "changes", "changes", "full"]


@pytest.mark.parametrize(
    ("what", "because"),
    [
        (lambda api: api.drop("i3"), "some have left"),
        (lambda api: api.put("old", text(START), seed=200), "some have left"),
        (lambda api: api.put("untimed", "", seed=200), "some have left"),
        (lambda api: setattr(api, "matched", False), "does not say how many"),
        (lambda api: setattr(api, "filters", False), "does not filter"),
        (lambda api: setattr(api, "fault", "nothing"), "the newest item of before is not among"),
        (lambda api: setattr(api, "fault", "repeated"), "an item twice"),
        (lambda api: (api.drop("i3"), api.put("new", seed=200)), "some have left"),
        (lambda api: (api.drop("i44"), api.put("old", text(START), seed=200)), "the newest item of before"),
    ],
    ids=[
        *("left", "back-dated", "without a time", "without a total", "without filters"),
        *("a filter that finds nothing", "repeated", "left and new", "newest left and back-dated"),
    ],
)
async def test_what_a_listing_of_changes_might_miss_is_listed_in_full(api, dest, what, because):
    await mirrored(api, dest)
    what(api)
    report, listing = await mirrored(api, dest)
    assert listing["kind"] == "full" and because in listing["because"]
    assert await is_as_a_full_one(api, report, dest)


async def test_equal_instants_are_listed_again(api, dest):
    await mirrored(api, dest)
    newest = max(one["properties"]["updated"] for one in api.items)
    api.put("same", newest, seed=300)
    report, listing = await mirrored(api, dest)
    assert listing["kind"] == "changes" and await is_as_a_full_one(api, report, dest)


@pytest.mark.parametrize("spoil", ["change", "remove"])
async def test_files_that_are_not_as_recorded_are_mended(api, dest, spoil):
    await mirrored(api, dest)
    path = dest / "c1/i5/data.tif"
    path.unlink() if spoil == "remove" else path.write_bytes(b"spoilt")
    report, listing = await mirrored(api, dest)
    assert listing["kind"] == "full" and "files in DEST" in listing["because"]
    assert await is_as_a_full_one(api, report, dest)


@pytest.mark.parametrize(
    "options",
    [{"prune": True}, {"index": True}, {"verify": "checksum"}, {"if_exists": "refresh"}, {"ro_crate": True}],
    ids=lambda options: next(iter(options)),
)
async def test_what_needs_every_item_is_listed_in_full(api, dest, options):
    if "index" in options:
        pytest.importorskip("pyarrow")
    await mirrored(api, dest)
    report, listing = await mirrored(api, dest, **options)
    assert listing["kind"] == "full" and listing["because"] and report.exit_code == 0


async def test_another_selection_or_template_is_listed_in_full(api, dest):
    await mirrored(api, dest)
    report, listing = await mirrored(api, dest, path_template="${collection}/${id}/x-${key}${ext}")
    assert listing["kind"] == "full" and report.exit_code == 0


async def test_a_run_that_fails_leaves_no_memory(api, dest):
    await mirrored(api, dest)
    api.put("gone", seed=400)
    del api.site.things["/gone-400.tif"]
    report, listing = await mirrored(api, dest)
    assert report.exit_code == 4 and listing["kind"] == "changes"
    api.put("gone", seed=401)
    report, listing = await mirrored(api, dest)
    assert listing["kind"] == "full" and await is_as_a_full_one(api, report, dest)


async def test_the_runs_of_a_mirror_are_told_in_their_order(api, dest):
    """Whichever of them took over what another one had listed."""
    for every in (5, 5, 5, 1, 5):
        await mirrored(api, dest, full_every=every)
    with contextlib.closing(sqlite3.connect(dest / ".mlhub/ledger.sqlite")) as database:
        runs = last_runs(database, 9)
    assert [one.number for one in runs] == [5, 4, 3, 2, 1]
    assert [one.started for one in runs] == sorted((one.started for one in runs), reverse=True)
    assert {one.exit_code for one in runs} == {0}


async def test_a_run_without_the_option_lists_in_full_and_the_next_notices_it(api, dest):
    await mirrored(api, dest)
    report = await run(api.url, dest, "c1")
    assert "kind" not in Mirrored(dest).receipt["listing"] and report.exit_code == 0
    assert (await mirrored(api, dest))[1]["kind"] == "full"


async def test_a_time_that_is_still_to_come_is_no_time_to_ask_from(api, dest):
    api.put("future", text(datetime.now(UTC) + timedelta(days=2)), seed=600)
    assert (await mirrored(api, dest))[1]["kind"] == "full"
    api.put("i3", seed=601)
    report, listing = await mirrored(api, dest)
    assert listing["kind"] == "full" and await is_as_a_full_one(api, report, dest)


async def test_too_many_changes_are_listed_in_full(api, dest, monkeypatch):
    monkeypatch.setattr(reading, "MAX_CHANGES", 3)
    await mirrored(api, dest)
    for number in range(5):
        api.put(f"n{number}", seed=500 + number)
    report, listing = await mirrored(api, dest)
    assert listing["kind"] == "full" and await is_as_a_full_one(api, report, dest)


async def test_items_are_counted_by_collection(api, dest):
    """One that left a collection is not made up for by one that came to another with an old time."""
    both = ("c1", "c2")
    api.put("other", seed=100, collection="c2")
    await mirrored(api, dest, *both)
    assert (await mirrored(api, dest, *both))[1]["kind"] == "changes"
    api.drop("i3")
    api.put("old", text(START), seed=200, collection="c2")
    report, listing = await mirrored(api, dest, *both)
    assert listing["kind"] == "full" and "items of c1" in listing["because"]
    assert await is_as_a_full_one(api, report, dest, *both)


async def test_a_clock_that_is_slow_by_minutes_hides_nothing(api, dest):
    await mirrored(api, dest)
    newest = max(parse_instant(one["properties"]["updated"]) for one in api.items)
    api.put("i3", text(newest - timedelta(minutes=9)), seed=200)
    report, listing = await mirrored(api, dest)
    assert listing["kind"] == "changes" and report.fetched == 1
    assert await is_as_a_full_one(api, report, dest)


async def test_a_time_that_is_a_little_ahead_hides_nothing(api, dest):
    """By a clock that is fast: what changes next has an earlier time than the newest one."""
    api.put("ahead", text(datetime.now(UTC) + timedelta(minutes=40)), seed=200)
    await mirrored(api, dest)
    api.put("i3", text(datetime.now(UTC)), seed=201)
    report, listing = await mirrored(api, dest)
    assert listing["kind"] == "changes" and report.fetched == 1
    assert await is_as_a_full_one(api, report, dest)


ACTS = (*("new", "new", "new", "change", "slow", "odd", "leave", "order"), *("move", "swap", "fault"))


@pytest.mark.parametrize("seed", range(16))
async def test_whatever_happens_the_mirror_is_that_of_a_full_listing(api, dest, seed):
    """Items come, change, move and go, with times that are right, old, equal, missing or still to come, by
    clocks that are slow by minutes, and filters that are wrong. Two things must hold, which the receipt
    names: a change of an item has a time of about now, and not as many leave a collection as come with an
    old time."""
    chance, count, kinds, both = random.Random(seed), 1000 * (seed + 1), [], ("c1", "c2")
    for number in range(5):
        api.put(f"k{number}", seed=900 + number, collection="c2")
    await mirrored(api, dest, *both)
    listed = {(one["collection"], one["id"]) for one in api.items}
    for _ in range(5):
        api.fault = ""
        for _ in range(chance.randrange(4)):
            count += 1
            act(api, chance, chance.choice(ACTS), count)
        if departures_are_hidden(api, listed, dest):
            continue
        listed = {(one["collection"], one["id"]) for one in api.items}
        report, listing = await mirrored(api, dest, *both)
        kinds.append(listing["kind"])
        assert await is_as_a_full_one(api, report, dest, *both), listing
    assert kinds


def act(api, chance, what, count):
    """One thing that happens to the catalogue. `count`: a number that nothing else has."""
    here, there = chance.sample(("c1", "c2"), 2)
    found = [one for one in api.items if one["collection"] == here] or api.items
    known, here = chance.choice(found)["id"], chance.choice(found)["collection"]
    newest = max((one["properties"].get("updated", "") for one in api.items), default="")
    later = text(datetime.now(UTC) + timedelta(days=2))
    slow = text(max(parse_instant(newest) or START, START) - timedelta(minutes=9))
    match what:
        case "new":
            api.put(f"n{count}", seed=count, collection=here)
        case "change":
            api.put(known, seed=count, collection=here)
        case "slow":
            api.put(known, slow, seed=count, collection=here)
        case "odd":
            odd = chance.choice(["", newest, text(START), later])
            api.put(f"n{count}", odd, seed=count, collection=here)
        case "leave":
            api.drop(known)
        case "order":
            chance.shuffle(api.items)
        case "move":
            api.put(known, seed=count, collection=there)
        case "swap":
            api.drop(known)
            api.put(f"n{count}", seed=count, collection=here)
        case "fault":
            api.fault = chance.choice(["nothing", "everything", "repeated"])


def departures_are_hidden(api, listed, dest):
    """As many items have left each collection as have come with an old time or none: the numbers are the
    same. That is the other limit that the receipt names."""
    if not (memory := json.loads((dest / ".mlhub/listing.json").read_bytes())):
        return False
    bound = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=memory["newest"]) - reading.OVERLAP
    times = {
        (one["collection"], one["id"]): parse_instant(one["properties"].get("updated")) for one in api.items
    }
    old = [one for one, moment in times.items() if one not in listed and (moment is None or moment < bound)]
    left = listed - times.keys()
    return bool(left) and Counter(name for name, _ in old) == Counter(name for name, _ in left)


async def test_an_asset_that_left_a_changed_item_is_no_longer_of_the_copy_and_can_be_pruned(api, dest):
    """Also after runs that took the item over, and whichever run had fetched the asset."""
    await mirrored(api, dest)
    await mirrored(api, dest)
    api.put("i3", seed=700)
    api.items[-1]["assets"]["extra"] = {
        "href": api.site.put("/extra.tif", noise(400, 1)),
        "type": "image/tiff",
    }
    api.items[-1]["assets"]["more"] = {"href": api.site.put("/more.tif", noise(400, 2)), "type": "image/tiff"}
    report, listing = await mirrored(api, dest)
    assert listing["kind"] == "changes" and report.selected == 47
    for gone, kind in (("extra", "changes"), ("more", "full")):
        del api.items[-1]["assets"][gone]
        api.items[-1]["properties"]["updated"] = text(api.now)
        report, listing = await mirrored(api, dest, full_every=4)
        assert listing["kind"] == kind and await is_as_a_full_one(api, report, dest)
    report, _ = await mirrored(api, dest, prune=True)
    assert report.pruned.assets == 2 and not (dest / "c1/i3/extra.tif").exists()
    Mirrored(dest).check(0)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_killed_run_leaves_no_memory_and_says_why_the_next_one_lists_all(run_cli, site):
    api = ChangingApi(site, [stac_item("first")], page_size=10)
    api.items = []
    for number in range(12):
        api.hour = number
        api.put(f"i{number}", seed=number)
    words = ("mirror", api.url, "dest", "-c", "c1", "--full-every", 9)
    first, second = run_cli(*words), run_cli(*words)
    assert first.code == second.code == 0
    assert "listed: everything, as there is no complete listing of before" in first.err
    assert "listed: what the API says was updated since 2024-01-01T10:50:00" in second.err
    api.hour = 20
    api.put("new", seed=50)
    site.things["/new-50.tif"].faults.append(Stall(100))
    running = run_cli.start(*words)
    wait_for(lambda: site.count("/new-50.tif"))
    running.kill()
    third = run_cli(*words)
    assert third.code == 0 and "listed: everything, as there is no complete listing" in third.err
    assert run_cli("verify", "dest").code == 0
    assert "updated since" in run_cli(*words).err
    Mirrored(run_cli.home / "dest").check(0)


async def test_a_change_without_a_new_time_is_seen_by_the_next_full_listing(api, dest):
    """The limit that the receipt names."""
    await mirrored(api, dest, full_every=2)
    api.put("i3", text(START + timedelta(hours=3)), seed=900)
    report, listing = await mirrored(api, dest, full_every=2)
    assert listing["kind"] == "changes" and report.fetched == 0
    report, listing = await mirrored(api, dest, full_every=2)
    assert listing["kind"] == "full" and report.fetched == 1
    assert await is_as_a_full_one(api, report, dest)


def test_a_source_that_nothing_tells_changes_of_says_so(run_cli, site):
    item = stac_item("one", image=site.put("/one.tif", tif(300, 1)))
    source = site.json("/items.json", {"type": "FeatureCollection", "features": [item]})
    for reason in ("there is no complete listing of before", "SOURCE does not say how many items it has"):
        ran = run_cli("mirror", source, "dest", "--full-every", 9)
        assert ran.code == 0 and f"listed: everything, as {reason}" in ran.err, ran.err
    again = run_cli("mirror", source, "dest", "--full-every", 9, "--role", "data", "--allow-empty")
    assert "of another source, selection" in again.err
