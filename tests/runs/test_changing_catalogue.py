"""A catalogue that changes while it is listed is listed again until two readings agree, or reported."""

import pytest

from mlhub_async import Options, Selection, mirror
from mlhub_async.engine.planning.plan import plan_only
from support.engine import AT_ONCE, run
from support.mirrored import Mirrored, asset_requests, publish
from support.server import Gone, tif
from support.stac_server import Api, stac_collection, static_catalog

NAMES = ["i1", "i2", "i3", "i4", "i5", "i6"]


@pytest.fixture
async def site(troubled):
    return await troubled.site()


class Changing:
    """A collection of six items, paged by offset, two per page. `before[n]` is called before the nth page."""

    def __init__(self, site, path="/stac/collections/c1/items", **about):
        self.site = site
        self.all = publish(site, NAMES)
        self.items = self.all[:]
        self.before = {}
        self.asked = 0
        self.api = Api(site, self.items, 2, style="offset", **about)
        page = site.routes[path]

        def answer(seen):
            self.asked += 1
            self.before.get(self.asked, lambda: None)()
            return page(seen)

        site.route(path, answer)

    def remove(self, name):
        self.items[:] = [item for item in self.items if item["id"] != name]

    def insert(self, name, at=0):
        self.items.insert(at, publish(self.site, [name])[0])


def listing(dest):
    found = Mirrored(dest).receipt["listing"]
    assert found["unique"] == sum(found[n] for n in ("returned", "vanished", "linked")) - sum(
        found[n] for n in ("left_out", "repeated")
    )
    return found


def fetched_once(site):
    paths = [seen.path for seen in asset_requests(site)]
    assert sorted(paths) == sorted(set(paths))
    return len(paths)


CHANGES = {
    "a deletion pushes one out of sight": (lambda changing: changing.remove("i1"), 6, (6, 5, 1), 6),
    "one is inserted, and i2 comes on two pages": (lambda changing: changing.insert("new"), 7, (7, 7, 0), 8),
}


@pytest.mark.parametrize(("change", "count", "counts", "seen"), CHANGES.values(), ids=CHANGES)
async def test_no_item_is_lost_if_pages_shift_while_they_are_read(site, dest, change, count, counts, seen):
    changing = Changing(site)
    changing.before[2] = lambda: change(changing)
    report = await run(changing.api.url, dest, "c1")
    assert report.ok
    Mirrored(dest).check(0)
    assert fetched_once(site) == len(Mirrored(dest).files) == report.selected == count
    found = listing(dest)
    assert (found["unique"], found["matched"], found["vanished"]) == counts
    assert (found["sweeps"], found["seen"], report.duplicates) == (2, seen, seen - count)
    assert Mirrored(dest).bytes_of("i1") == tif(20_000, 0)


async def test_shifted_pages_are_noticed_without_a_total(site, dest):
    changing = Changing(site, matched=False)
    changing.before[2] = lambda: changing.insert("new")
    assert (await run(changing.api.url, dest, "c1")).ok
    assert "new" in {path.split("/")[1] for path in Mirrored(dest).files}
    assert listing(dest)["sweeps"] == 2


async def test_a_catalogue_that_changes_all_the_time_is_read_three_times_and_reported(site, dest):
    changing = Changing(site)
    for n in range(2, 20):
        changing.before[n] = lambda n=n: changing.insert(f"n{n}")
    report = await run(changing.api.url, dest, "c1")
    assert report.exit_code == 5
    Mirrored(dest).check(5)
    found = listing(dest)
    assert found["sweeps"] == 3 and not found["complete"] and "c1" in found["reasons"][0]
    changing.before.clear()
    assert (await run(changing.api.url, dest, "c1")).ok
    assert fetched_once(site) == len(changing.items) == len(Mirrored(dest).files)


async def test_a_total_that_two_equal_readings_do_not_reach_is_told_and_does_not_prune(site, dest):
    changing = Changing(site)
    changing.api.overrides = {page: {"numberMatched": 9} for page in (1, 2, 3)}
    report = await run(changing.api.url, dest, "c1")
    assert report.exit_code == 0 and changing.asked == 6
    found = listing(dest)
    assert found["complete"] and found["reasons"] == [] and (found["matched"], found["unique"]) == (9, 6)
    assert found["fewer_than_announced"] == [{"listing": "c1", "announced": 9, "found": 6}]
    assert (await run(changing.api.url, dest, "c1", prune=True)).ok, "there is nothing to prune"
    changing.remove("i1")
    report = await run(changing.api.url, dest, "c1", prune=True)
    assert report.exit_code == 4 and report.pruned.refused == "c1 announced 9 items and gave 5"
    assert len(Mirrored(dest).files) == 6


@pytest.mark.parametrize("cut", [1, 2])
async def test_a_page_that_is_cut_in_one_reading_is_no_equal_reading(site, dest, cut):
    changing = Changing(site)
    changing.api.overrides = {page: {"numberMatched": 7} for page in (1, 2, 3)}
    overrides = changing.api.overrides

    def shorten(features):
        changing.api.overrides = {**overrides, 2: {"numberMatched": 7, "features": features}}

    def restore():
        changing.api.overrides = overrides

    second = 3 * (cut - 1) + 2
    changing.before[second] = lambda: shorten(changing.items[2:3])
    changing.before[second + 1] = restore
    report = await run(changing.api.url, dest, "c1")
    assert report.exit_code == 5 and len(Mirrored(dest).files) == 6
    assert listing(dest)["reasons"] == ["c1 announced 7 items and gave 6"]


async def test_a_total_that_is_too_low_does_not_end_the_listing(site, dest):
    changing = Changing(site)
    changing.api.overrides = {page: {"numberMatched": 3} for page in (1, 2, 3)}
    report = await run(changing.api.url, dest, "c1")
    assert report.exit_code == 0 and len(Mirrored(dest).files) == 6 and changing.asked == 3


async def test_a_server_that_always_repeats_an_item_is_complete_after_the_second_reading(site, dest):
    changing = Changing(site, matched=False)
    changing.items.append(changing.items[0])
    assert (await run(changing.api.url, dest, "c1")).ok
    found = listing(dest)
    assert (found["sweeps"], found["unique"], found["repeated"]) == (2, 6, 1)


async def test_an_item_updated_between_two_readings_is_reported_and_fetched_by_the_next_run(site, dest):
    changing = Changing(site)

    def update():
        changing.remove("i1")
        site.put("/i6.tif", tif(20_000, 77))
        changing.items[-1]["properties"]["updated"] = "2024-01-01T00:00:00Z"

    changing.before[5] = update  # the first reading has one page more
    changing.before[2] = lambda: changing.insert("new")
    report = await run(changing.api.url, dest, "c1", concurrency=1)
    assert report.exit_code == 5
    found = listing(dest)
    assert found["changed"] == 1 and "1 items were changed" in found["reasons"][-1]
    changing.before.clear()
    assert (await run(changing.api.url, dest, "c1")).ok
    assert Mirrored(dest).bytes_of("i6") == tif(20_000, 77)


async def test_hrefs_that_are_new_on_every_page_are_no_change(site, dest):
    changing = Changing(site)
    signed = iter(range(1000))

    def sign():
        for item in changing.items:
            href = item["assets"]["data"]["href"].partition("?")[0]
            item["assets"]["data"]["href"] = f"{href}?se=2030-01-01&sig={next(signed)}"

    for n in range(1, 20):
        changing.before[n] = sign
    changing.before[2] = lambda: changing.remove("i1")
    assert (await run(changing.api.url, dest, "c1")).ok
    assert listing(dest)["changed"] == 0


async def test_only_the_listing_that_changed_is_read_again(site, dest):
    changing = Changing(site, collections=[stac_collection("c2")])
    changing.items += [item | {"collection": "c2"} for item in publish(site, ["x", "y"])]
    changing.before[2] = lambda: changing.remove("i1")
    assert (await run(changing.api.url, dest, "c2", "c1")).ok
    assert site.count("/stac/collections/c2/items") == 1
    assert site.count("/stac/collections/c1") == 1, "the collection itself is not read again"


async def test_a_search_is_read_again_too_and_so_is_a_saved_one(site, dest):
    for number, source in enumerate(("", "/search?limit=2")):  # its first page is read once more
        changing = Changing(site, "/stac/search")
        changing.before[2 + number] = lambda changing=changing: changing.remove("i1")
        selection = Selection(collections=("c1",), bbox=None if number else (0, 0, 9, 9), method="GET")
        options = Options(selection=selection, retry=AT_ONCE, allow_private=True)
        report = await mirror(changing.api.url + source, dest / str(number), options)
        assert report.ok, report.listing.reasons
        assert listing(dest / str(number))["sweeps"] == 2


async def test_a_listing_limited_by_max_items_is_not_read_again(site, dest):
    changing = Changing(site)
    changing.before[2] = lambda: changing.insert("new")
    options = Options(Selection(collections=("c1",), max_items=4, limit=2), allow_private=True)
    assert (await mirror(changing.api.url, dest, options)).ok
    assert changing.asked <= 3 and Mirrored(dest).receipt["listing"]["sweeps"] == 1


async def test_a_second_reading_that_breaks_off_makes_the_listing_incomplete(site, dest):
    changing = Changing(site)

    def vanish():
        site.things["/stac/collections/c1/items"].always = (Gone("fin"),)

    changing.before[2] = lambda: changing.remove("i1")
    changing.before[4] = vanish
    report = await run(changing.api.url, dest, "c1")
    assert report.exit_code == 5
    assert "it broke off" in listing(dest)["reasons"][0]


async def test_source_links_of_labels_are_followed_once_however_often_these_are_listed(site, dest):
    changing = Changing(site)
    source = publish(site, ["s1"])[0] | {"collection": "imagery"}
    site.json("/s1.json", source)
    for item in changing.items:
        item["links"] = [{"rel": "source", "href": site.url("/s1.json")}]
    changing.before[2] = lambda: changing.remove("i1")
    report = await run(changing.api.url, dest, "c1")
    assert report.ok and report.listing.unique == 7 and site.count("/s1.json") == 1
    assert listing(dest)["linked"] == 1


async def test_a_static_catalogue_is_read_once(site, dest):
    items = publish(site, NAMES)
    assert (await run(static_catalog(site, [*items, items[0]]), dest)).ok
    found = listing(dest)
    assert (found["sweeps"], found["seen"], found["unique"], found["linked"]) == (1, 7, 6, 6)


async def test_a_plan_reads_again_and_counts_every_item_once(site):
    changing = Changing(site)
    changing.before[2] = lambda: changing.insert("new")
    options = Options(Selection(collections=("c1",)), retry=AT_ONCE, allow_private=True)
    plan = await plan_only(changing.api.url, options)
    assert (plan.exit_code, plan.items, plan.assets, plan.listing.sweeps) == (0, 7, 7, 2)


async def test_items_left_out_by_a_filter_here_are_in_the_receipts_balance(site, dest):
    changing = Changing(site)
    changing.all[0]["properties"]["eo:cloud_cover"] = 5
    selection = Selection(collections=("c1",), query={"eo:cloud_cover": {"lt": 10}})
    report = await mirror(changing.api.url, dest, Options(selection, retry=AT_ONCE, allow_private=True))
    assert report.ok
    found = listing(dest)
    assert (found["matched"], found["returned"], found["left_out"], found["unique"]) == (6, 6, 5, 1)


async def test_an_item_that_a_file_has_twice_with_different_assets_is_reported(site, dest):
    """A file is not read again: the asset `more` of the second version would never be fetched."""
    [item] = publish(site, ["one"])
    more = {"href": site.put("/more.tif", tif(20_000, 5))}
    other = {**item, "assets": {**item["assets"], "more": more}}
    assert (await run([item, {**item}, item], dest)).ok
    report = await run([item, other], dest)
    assert (report.exit_code, report.selected) == (4, 1)
    (row,) = Mirrored(dest).errors
    assert (row["collection"], row["item"], row["error"]["class"]) == ("c1", "one", "contradiction")
    assert (await run([other, other], dest)).ok and Mirrored(dest).bytes_of("one", "more")


async def test_an_asset_added_between_two_readings_is_reported(site, dest):
    changing = Changing(site)

    def update():
        changing.remove("i1")
        more = {"href": site.put("/more.tif", tif(20_000, 77))}
        changing.items[-1] = {**changing.items[-1], "assets": {**changing.items[-1]["assets"], "more": more}}

    changing.before[5] = update
    changing.before[2] = lambda: changing.insert("new")
    assert (await run(changing.api.url, dest, "c1", concurrency=1)).exit_code == 5
    assert listing(dest)["changed"] == 1
