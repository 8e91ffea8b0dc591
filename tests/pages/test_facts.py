"""What a report counts: footprints, times, classes, files by time; and mirrors that are not complete."""

import json
import re
import shutil
import sqlite3
from contextlib import closing

import pytest

import mlhub_async
from mlhub_async.api.pages.charts.coverage import coverage_maps, region_of
from mlhub_async.api.pages.charts.density import Grid
from mlhub_async.api.pages.charts.projection import WORLD
from mlhub_async.api.pages.facts.contents import Totals
from mlhub_async.api.pages.facts.footprints import Footprints
from mlhub_async.api.pages.facts.gathering import gather
from mlhub_async.api.pages.facts.periods import periods
from mlhub_async.core.errors import StorageError, UsageError
from support.engine import run
from support.large_mirror import make_mirror
from support.mirrored import Mirrored, publish
from support.report_pages import Page
from support.stac_server import stac_item


def square(west, south, size=1.0):
    east, north = west + size, south + size
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def footprints_of(*geometries, **more):
    found = Footprints()
    for number, geometry in enumerate(geometries):
        found.add("c", f"i{number}", {"geometry": geometry, **more})
    return found


OVER = {"type": "Polygon", "coordinates": [[[179, 0], [-179, 0], [-179, 1], [179, 1], [179, 0]]]}


class TestFootprints:
    def test_one_over_the_antimeridian_is_cut_there(self):
        found = footprints_of(OVER, bbox=[179, 0, -179, 1])
        assert sorted(found.boxes()) == [(-180, 0, -179, 1), (179, 0, 180, 1)]
        window = region_of(found)
        assert 178 < window.west < 179 and 181 < window.east < 182
        (path,) = {one.path for one in coverage_maps(found)[1].outlines}
        xs = [int(x) for x in re.findall(r"[ML](-?\d+) ", path)]
        assert 0 <= min(xs) < max(xs) <= 10_000

    def test_points_and_multipolygons_lie_somewhere_and_null_and_nonsense_are_counted(self):
        many = {"type": "MultiPolygon", "coordinates": [square(n, 0)["coordinates"] for n in (0, 50)]}
        nonsense = [{"type": "Polygon", "coordinates": "x"}, {"type": "Blob"}, 7]
        found = footprints_of(None, {"type": "Point", "coordinates": [10, 20]}, many, *nonsense)
        assert (found.placed, found.without, found.unusable) == (2, 1, 3)
        assert sorted(found.boxes()) == [(0, 0, 1, 1), (10, 20, 10, 20), (50, 0, 51, 1)]

    def test_of_many_items_only_the_density_is_drawn(self):
        found = footprints_of(*(square(n % 50, n % 40) for n in range(1001)))
        assert not found.are_outlined
        assert coverage_maps(found)[1].outlines == [] and coverage_maps(found)[1].density

    def test_every_box_is_counted_in_each_cell_that_it_touches(self):
        grid = Grid(WORLD, 100)
        grid.add([(-180, -90, 180, 90), (0, 0, 0, 0)])
        thin, thick = grid.classes()
        assert (thin.first, thick.last) == (1, 2) or thick.first == 2
        assert thick.path.count("M") == 1

    def test_all_over_the_world_there_is_no_map_of_a_region(self):
        assert (
            region_of(footprints_of(square(-170, 0), square(-60, 0), square(60, 0), square(170, 0))) is None
        )

    def test_the_worst_density_stays_small(self):
        grid = Grid(WORLD, 200)
        grid.add(
            (x * 1.8 - 180, y * 1.8 - 90, x * 1.8 - 180, y * 1.8 - 90)
            for x in range(0, 200, 2)
            for y in range(100)
        )
        assert sum(len(one.path) for one in grid.classes()) < 400_000


class TestTime:
    def test_months_without_items_are_in_between(self):
        found = periods({(2018, 11): Totals(1), (2019, 2): Totals(2)})
        assert [(one.name, one.totals.items) for one in found] == [
            ("2018-11", 1),
            ("2018-12", 0),
            ("2019-01", 0),
            ("2019-02", 2),
        ]

    def test_many_years_are_years(self):
        found = periods({(1990, 1): Totals(1), (2019, 2): Totals(2), (2019, 3): Totals(4)})
        assert len(found) == 30 and found[-1].totals.items == 6

    def test_a_year_by_mistake_does_not_make_the_chart_endless(self):
        assert [one.name for one in periods({(1, 1): Totals(1), (2019, 2): Totals(2)})] == ["0001", "2019"]


async def test_items_without_geometry_time_or_classes_are_counted(troubled, dest):
    site = await troubled.site()
    items = publish(site, ["one", "two"])
    items[0]["geometry"] = items[0]["properties"]["datetime"] = None
    items[1]["properties"]["label:classes"] = [{"name": "kind", "classes": ["water", "ice"]}]
    await run(items, dest)
    page = Page(mlhub_async.report_page(dest))
    assert "1 items without a geometry" in page.text and "1 items have no time" in page.text
    assert {"water", "ice"} <= {one.text for one in page.all("th", scope="row")}


async def test_counts_bytes_and_throughput_are_those_of_the_files(troubled, dest):
    site = await troubled.site()
    await run(publish(site, ["one", "two", "three"]), dest)
    facts = gather(dest)
    size = sum(map(len, Mirrored(dest).files.values()))
    assert facts.contents.total == Totals(3, 3, size)
    assert sum(facts.throughput.bytes) == size and sum(facts.throughput.files) == 3
    again = await run(publish(site, ["one", "two", "three"]), dest)
    assert again.ok and gather(dest).throughput.run.number == 1


async def test_files_at_the_bounds_of_a_run_count(troubled, dest):
    """Kernels may set the time of a file by a clock that moves every 10 ms; a ledger keeps milliseconds."""
    site = await troubled.site()
    await run(publish(site, ["one", "two"]), dest)
    (only,) = gather(dest).runs
    times = {
        "one": int(only.started.timestamp() * 1000) * 1_000_000 - 8_000_000,
        "two": int(only.finished.timestamp() * 1000) * 1_000_000 + 900_000,
    }
    with closing(sqlite3.connect(dest / ".mlhub/ledger.sqlite")) as database, database:
        for name, time in times.items():
            database.execute("UPDATE file SET mtime_ns=? WHERE path LIKE ?", (time, f"%{name}/data%"))
    found = gather(dest).throughput
    assert sum(found.files) == 2 and found.files[0] == 1


class TestUnfinished:
    """A mirror that is not complete: the page says so, and says nothing that is not known."""

    @pytest.fixture
    def killed(self, dest):
        """A mirror whose last run has written neither its end nor a receipt."""
        make_mirror(dest, 3, failed=1)
        (dest / ".mlhub/receipt.json").unlink()
        with sqlite3.connect(dest / ".mlhub/ledger.sqlite") as database:
            database.execute("UPDATE run SET finished=NULL, exit_code=NULL")
        database.close()
        return dest

    def test_after_a_kill_it_says_that_the_run_did_not_end(self, killed):
        before = {path: path.read_bytes() for path in killed.rglob("*") if path.is_file()}
        page = Page(mlhub_async.report_page(killed))
        assert "the last run was killed, or is still going on" in page.all("div", class_="verdict")[0].text
        assert "There is no receipt of the last run" in page.text and "Complete and verified" not in page.text
        assert {path: path.read_bytes() for path in killed.rglob("*") if path.is_file()} == before

    def test_a_receipt_of_an_earlier_run_proves_nothing_of_this_one(self, killed):
        (killed / ".mlhub/receipt.json").write_text('{"exit_code": 0, "manifest_sha256": "abc"}')
        assert "Complete and verified" not in Page(mlhub_async.report_page(killed)).text

    @pytest.mark.parametrize("text", ["", "[]", "{", '{"exit_code": "x"}', '{"assets": {}, "listing": {}}'])
    def test_a_damaged_receipt_is_said(self, dest, text):
        make_mirror(dest, 2)
        (dest / ".mlhub/receipt.json").write_text(text)
        page = Page(mlhub_async.report_page(dest))
        assert "missing or damaged" in page.all("div", class_="verdict")[0].text

    def test_documents_that_are_gone_or_damaged_are_counted(self, dest):
        make_mirror(dest, 4)
        first, second, *_ = sorted(dest.glob("chips/0/*.json"))
        first.unlink()
        second.write_text("{")
        page = Page(mlhub_async.report_page(dest))
        assert "2 items whose document is damaged or gone" in page.text

    def test_a_link_in_place_of_a_document_is_not_followed(self, dest, tmp_path):
        make_mirror(dest, 2)
        (tmp_path / "secret.json").write_text(json.dumps(stac_item("secret-id")))
        path = sorted(dest.glob("chips/0/*.json"))[1]
        path.unlink()
        path.symlink_to(tmp_path / "secret.json")
        assert gather(dest).contents.unreadable == 1

    def test_a_broken_ledger_is_an_error_that_says_what_mends_it(self, dest):
        make_mirror(dest, 2)
        (dest / ".mlhub/ledger.sqlite").write_bytes(b"SQLite format 3\0" + bytes(5000))
        with pytest.raises(StorageError, match="the next mirror run rebuilds it"):
            mlhub_async.report_page(dest)

    def test_without_a_ledger_there_is_no_mirror(self, dest):
        make_mirror(dest, 2)
        shutil.rmtree(dest / ".mlhub")
        with pytest.raises(UsageError, match="no mirror at"):
            mlhub_async.report_page(dest)


def test_of_more_failures_than_can_be_shown_the_others_are_counted(dest):
    make_mirror(dest, 3_500, failed=3_500)
    page = Page(mlhub_async.report_page(dest))
    assert len(page.all("tr", class_="failure")) == 3_000
    assert "3\u202f500 rows" in page.text and "the first 3\u202f000 of them are shown" in page.text


def test_a_report_of_100_000_items_has_at_most_2_megabytes(dest):
    make_mirror(dest, 100_000, failed=5_000)
    html = mlhub_async.report_page(dest)
    assert len(html.encode()) <= 2_000_000
    facts = Page(html)
    assert "100\u202f000" in facts.all("ul", class_="cards")[0].text
    assert "items without a geometry" in facts.text
