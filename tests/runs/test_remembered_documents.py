"""`--full-every` with a static catalogue: documents that have not changed are not sent again."""

import hashlib
import json
import os
import random

import pytest

from mlhub_async import Selection, mirror
from support.engine import AT_ONCE, is_as_listed_in_full, make_options
from support.mirrored import Mirrored
from support.server import Status, noise
from support.stac_server import stac_item, static_documents

WORD = "not_modified"


class Catalogue:
    """A static catalogue that changes. `etags`: whether its documents have any."""

    def __init__(self, site, *, etags=True):
        self.site, self.etags, self.items = site, etags, []

    def put(self, id, seed=0):
        """An item with these bytes, in place of one with the same id."""
        href = self.site.put(f"/{id}-{seed}.tif", noise(500, seed), etag=f'"{seed}"')
        found = [one["id"] for one in self.items]
        made = stac_item(id, "c1", data={"href": href, "type": "image/tiff"})
        if id in found:
            self.items[found.index(id)] = made
        else:
            self.items.append(made)

    def drop(self, id):
        self.items = [one for one in self.items if one["id"] != id]

    def publish(self):
        for path, document in static_documents(self.items).items():
            body = json.dumps(document).encode()
            etag = {"etag": f'"{hashlib.md5(body).hexdigest()}"'} if self.etags else {}
            self.site.json(f"/static/{path}", document, **etag)
        return self.site.url("/static/catalog.json")


@pytest.fixture
async def catalogue(troubled):
    made = Catalogue(await troubled.site())
    for number in range(12):
        made.put(f"i{number}", number)
    return made


async def mirrored(catalogue, dest, selection=None, **options):
    chosen = make_options(selection, allow_private=True, retry=AT_ONCE, **{"full_every": 9, **options})
    report = await mirror(catalogue.publish(), dest, chosen)
    return report, Mirrored(dest).receipt["listing"]


async def is_as_a_full_one(catalogue, report, dest):
    return await is_as_listed_in_full(catalogue.publish(), dest, report, catalogue.items)


async def test_only_documents_that_have_changed_are_sent(catalogue, dest):
    report, listing = await mirrored(catalogue, dest)
    assert listing["kind"] == "full" and report.exit_code == 0
    catalogue.put("i3", 103)
    catalogue.put("new", 200)
    report, listing = await mirrored(catalogue, dest)
    assert listing["kind"] == "conditional" and listing["complete"]
    assert listing[WORD] == listing["carried"] == 11 and listing["unique"] == 2
    assert "ETag" in listing["relies_on"] and report.fetched == 2 and report.selected == 13
    assert await is_as_a_full_one(catalogue, report, dest)
    Mirrored(dest).check(0)
    report, listing = await mirrored(catalogue, dest)
    assert listing[WORD] == 13 and report.fetched == 0 and await is_as_a_full_one(catalogue, report, dest)


async def test_every_nth_run_reads_all_documents(catalogue, dest):
    kinds = [(await mirrored(catalogue, dest, full_every=3))[1]["kind"] for _ in range(5)]
    assert kinds == ["full", "conditional", "conditional", "full", "conditional"]


async def test_without_validators_all_documents_are_read(catalogue, dest):
    catalogue.etags = False
    await mirrored(catalogue, dest)
    report, listing = await mirrored(catalogue, dest)
    assert listing[WORD] == 0 and listing["unique"] == 12
    assert await is_as_a_full_one(catalogue, report, dest)


@pytest.mark.parametrize("spoil", ["change", "remove"])
async def test_files_that_are_not_as_recorded_are_mended(catalogue, dest, spoil):
    await mirrored(catalogue, dest)
    path = dest / "c1/i5/data.tif"
    path.unlink() if spoil == "remove" else path.write_bytes(b"spoilt")
    report, listing = await mirrored(catalogue, dest)
    assert listing[WORD] == 11 and report.fetched == 1
    assert await is_as_a_full_one(catalogue, report, dest)


async def test_another_selection_and_then_the_first_again_read_all_documents(catalogue, dest):
    """Items that a selection left out are known to be of no use to that one only."""
    elsewhere = catalogue.items[4]
    elsewhere["geometry"]["coordinates"], elsewhere["bbox"] = [9.0, 9.0], [9.0, 9.0, 9.0, 9.0]
    await mirrored(catalogue, dest, Selection(bbox=(0, 0, 5, 5)))
    report, listing = await mirrored(catalogue, dest, Selection(bbox=(0, 0, 5, 5)))
    assert listing[WORD] == 12 and listing["carried"] == 11 and report.selected == 11
    report, listing = await mirrored(catalogue, dest)
    assert listing["kind"] == "full" and report.selected == 12


async def test_all_documents_of_a_catalogue_on_this_machine_are_read(catalogue, dest, tmp_path):
    """Their times can be set: one that was replaced under its old time is seen."""
    for path, document in static_documents(catalogue.items).items():
        place = tmp_path / "catalogue" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(document))
    options = make_options(allow_private=True, retry=AT_ONCE, full_every=9)
    assert (await mirror(tmp_path / "catalogue", dest, options)).ok
    [changed] = (tmp_path / "catalogue").rglob("i5.json")
    state = changed.stat()
    changed.write_text(changed.read_text().replace("2020-", "2021-"))
    os.utime(changed, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert (await mirror(tmp_path / "catalogue", dest, options)).ok
    listing = Mirrored(dest).receipt["listing"]
    assert listing["kind"] == "full" and WORD not in listing
    assert Mirrored(dest).item("i5")["properties"]["datetime"].startswith("2021-")


async def test_an_item_that_comes_back_is_read(catalogue, dest):
    await mirrored(catalogue, dest)
    gone = next(one for one in catalogue.items if one["id"] == "i11")
    catalogue.drop("i11")
    report, _ = await mirrored(catalogue, dest)
    assert report.selected == 11
    catalogue.items.append(gone)
    report, listing = await mirrored(catalogue, dest)
    assert listing[WORD] == 11 and await is_as_a_full_one(catalogue, report, dest)


async def test_a_run_that_fails_leaves_no_memory(catalogue, dest):
    await mirrored(catalogue, dest)
    catalogue.put("gone", 300)
    catalogue.site.things["/gone-300.tif"].always = (Status(404),)
    report, listing = await mirrored(catalogue, dest)
    assert report.exit_code == 4 and listing["kind"] == "conditional"
    catalogue.put("gone", 301)
    report, listing = await mirrored(catalogue, dest)
    assert listing["kind"] == "full" and await is_as_a_full_one(catalogue, report, dest)


async def test_a_document_that_is_broken_for_a_moment_is_read_again(catalogue, dest):
    await mirrored(catalogue, dest)
    catalogue.put("i3", 103)
    catalogue.publish()
    thing = catalogue.site.things["/static/c1/i3/i3.json"]
    catalogue.publish = lambda: catalogue.site.url("/static/catalog.json")
    thing.faults.extend([Status(503), Status(500)])
    report, listing = await mirrored(catalogue, dest)
    assert listing[WORD] == 11 and report.exit_code == 0 and report.fetched == 1


@pytest.mark.parametrize("options", [{"prune": True}, {"verify": "checksum"}], ids=str)
async def test_what_needs_every_document_reads_them_all(catalogue, dest, options):
    await mirrored(catalogue, dest)
    _, listing = await mirrored(catalogue, dest, **options)
    assert listing["kind"] == "full" and listing["because"] and WORD not in listing


@pytest.mark.parametrize("selection", [Selection(max_items=5), Selection(ids=("i3",))], ids=["most", "ids"])
async def test_a_selection_that_counts_or_names_items_reads_them_all(catalogue, dest, selection):
    for _ in range(2):
        report, listing = await mirrored(catalogue, dest, selection)
        assert listing["kind"] == "full" and report.exit_code == 0


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_happens_the_mirror_is_that_of_a_full_listing(catalogue, dest, seed):
    chance, count = random.Random(seed), 1000 * (seed + 1)
    await mirrored(catalogue, dest)
    for _ in range(4):
        for _ in range(chance.randrange(4)):
            count += 1
            known = chance.choice(catalogue.items)["id"]
            match chance.randrange(5):
                case 0 | 1:
                    catalogue.put(f"n{count}", count)
                case 2:
                    catalogue.put(known, count)
                case 3:
                    catalogue.drop(known)
                case 4:
                    chance.shuffle(catalogue.items)
        report, listing = await mirrored(catalogue, dest)
        assert listing["kind"] == "conditional"
        assert await is_as_a_full_one(catalogue, report, dest)
