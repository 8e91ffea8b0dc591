"""`--subset`: the items that a data set itself puts into its training, validation or test part."""

import json

import pytest

from mlhub_async import Options, RetryPolicy, Selection, mirror
from support.mirrored import Mirrored
from support.mlhub_site import BANDS, DATASET, LABELS, SOURCE, MlhubSite
from support.server import Status, tif
from support.stac_server import Api, stac_collection, stac_item


def chosen(dest):
    return {path.parent.name for path in dest.rglob("*.tif")}


async def run(source, dest, subset, **more):
    return await mirror(source, dest, Options(selection=Selection(subset=subset, **more), allow_private=True))


@pytest.fixture
async def site(troubled):
    return await troubled.site()


def items_of(site, **properties):
    """Items a, b ... each with one property."""
    found = []
    for name, value in properties.items():
        href = site.put(f"/{name}.tif", tif(200, ord(name[0])))
        found.append(stac_item(name, properties=value, data=href))
    return found


@pytest.mark.parametrize(
    ("subset", "expected"), [("train", {"a", "e"}), ("validation", {"b", "d"}), ("test", {"c"})]
)
async def test_a_property_of_the_item_decides(site, dest, subset, expected):
    values = {
        "a": {"ml-aoi:split": "train", "split": "test"},
        "b": {"ml-aoi:split": "validate"},
        "c": {"split": "Test"},
        "d": {"split": "val"},
        "e": {"split": "training"},
        "f": {"split": "other"},
        "g": {"split": 7},
    }
    report = await run(items_of(site, **values), dest, subset)
    assert report.ok and chosen(dest) == expected
    remark = Mirrored(dest).receipt["listing"]["subset"]
    assert remark == {"selected": len(expected), "left_out": 5 - len(expected), "undecided": 2}


SPLITS = {
    "csv": "id,part\nl2,train\n",
    "json": json.dumps({"items": ["l2", "l9"]}),
    "lines": "labels/l2/labels.tif\n",
}


@pytest.mark.parametrize("form", SPLITS)
@pytest.mark.parametrize("owner", ["item", "collection"])
async def test_a_document_of_the_data_set_lists_its_items_and_imagery_follows(site, dest, form, owner):
    """The links of MLHub are others in every item: the document is read once all the same."""
    hub = MlhubSite(site)
    for number, label in enumerate(hub.labels):
        stored = site.put(f"/split/{number}", SPLITS[form].encode())
        if owner == "item":
            label["assets"]["train_split"] = {"href": stored, "type": "text/csv"}
    if owner == "collection":
        document = {"train_split": {"href": stored, "type": "text/csv"}}
        hub.api.publish(stac_collection(LABELS, assets=document))
    environ = {"MLHUB_ROOT_URL": hub.root}
    options = Options(selection=Selection(dataset=DATASET, subset="train"), allow_private=True)
    report = await mirror("mlhub", dest, options, environ=environ)
    assert report.ok
    assert chosen(dest) == {"l2", "l2_20180101", "l2_20180102"}
    assert report.fetched == 3 + 2 * len(BANDS)
    reads = [seen for seen in site.log if seen.path.startswith("/split/")]
    assert len(reads) == 2, "once to choose, once as an asset"
    counts = Mirrored(dest).receipt["listing"]["subset"]
    assert counts == {"selected": 1, "left_out": 2, "undecided": 6}


async def test_a_subset_without_a_document_is_empty_where_others_have_one(site, dest):
    document = site.put("/split", b"a")
    item = stac_item("a", data=site.put("/a.tif", tif(200)), train_split=document)
    report = await run([item], dest, "test")
    assert report.exit_code == 9
    assert Mirrored(dest).receipt["listing"]["subset"] == {"selected": 0, "left_out": 1, "undecided": 0}


@pytest.mark.parametrize(("faults", "code"), [([Status(404)], 4), ([Status(503)], 5)])
async def test_a_document_that_cannot_be_read_makes_the_listing_incomplete(site, dest, faults, code):
    document = site.put("/split", b"a", always=faults)
    api = Api(site, [stac_item("a", data=site.put("/a.tif", tif(200)), train_split=document)])
    options = Options(
        selection=Selection(collections="c1", subset="train"),
        allow_private=True,
        retry=RetryPolicy(attempts=2, base=0),
        max_outage=0,
    )
    report = await mirror(api.url, dest, options)
    assert report.exit_code == code
    assert not report.listing.complete


async def test_roles_and_words_of_the_collection_decide_last(site, dest):
    def labelled(name, collection, role):
        href = site.put(f"/{name}.tif", tif(200, ord(name)))
        return stac_item(name, collection, labels={"href": href, "roles": ["labels", role]})

    items = [
        labelled("a", "c", "labels-training"),
        labelled("b", "storm_competition_train_labels", "data"),
        labelled("d", "storm_competition_test_labels", "labels-training"),
        labelled("e", "train_or_test", "data"),
        labelled("f", "latest_training-2", "data"),
        labelled("g", "trained", "data"),
    ]
    assert (await run(items, dest, "train")).ok
    assert chosen(dest) == {"a", "b", "d", "f"}
    assert Mirrored(dest).receipt["listing"]["subset"]["undecided"] == 2


async def test_the_number_of_items_counts_those_of_the_subset(site, dest):
    values = {name: {"split": "train" if name in "bdf" else "test"} for name in "abcdef"}
    api = Api(site, items_of(site, **values), page_size=2)
    report = await run(api.url, dest, "train", collections="c1", max_items=2)
    assert report.ok and chosen(dest) == {"b", "d"}


def test_nothing_that_says_a_subset_is_told(troubled_thread, run_cli, dest):
    site = troubled_thread.site()
    api = Api(site, [stac_item("a", data="x.tif")])
    ran = run_cli("mirror", api.url, dest, "-c", "c1", "--subset", "validation")
    assert ran.code == 9
    assert "--subset validation: of 1 items nothing says in which subset they are" in ran.err
    ran = run_cli("ls", api.url, "-c", "c1", "--subset", "train")
    assert ran.code == 9 and ran.out == ""
    refused = run_cli("mirror", api.url, dest, "--subset", "trane")
    assert refused.code == 2 and "'train', 'validation', 'test'" in refused.err
    refused = run_cli("mirror", api.url, dest, "--subset", "train", "--prune")
    assert refused.code == 2 and "--subset" in refused.err


@pytest.mark.parametrize("source", ["dataset", "labels"])
async def test_the_layout_of_the_small_client_has_imagery_below_its_label(site, dest, source):
    hub = MlhubSite(site)
    environ = {"MLHUB_ROOT_URL": hub.root}
    chosen = {"dataset": DATASET} if source == "dataset" else {"collections": LABELS}
    options = Options(selection=Selection(**chosen), layout="landcovernet", allow_private=True)
    for _ in range(2):
        report = await mirror("mlhub", dest, options, environ=environ)
        assert report.ok
    mirrored = Mirrored(dest)
    assert report.skipped == 6 + 6 * len(BANDS)
    folder = "landcovernet/l2"
    assert {name for name in mirrored.files if name.startswith(folder)} == {
        f"{folder}/labels.tif",
        f"{folder}/extent.tif",
        *(f"{folder}/2018_01_0{day}/{band}.tif" for day in (1, 2) for band in BANDS),
    }
    assert len(mirrored.files) == 6 + 6 * len(BANDS)
    assert (dest / SOURCE / "l2_20180101" / "l2_20180101.json").exists()


async def test_the_layout_names_remote_files_and_what_is_no_source_imagery_by_itself(site, dest):
    plain = stac_item("p", data=site.put("/dir/remote-name.tif", tif(200, 1)))
    first = stac_item("l1", data=site.put("/l1.tif", tif(200, 2)))
    second = stac_item("l2", data=site.put("/l2.tif", tif(200, 3)))
    shared = stac_item("s", properties={"datetime": None}, data=site.put("/s.tif", tif(200, 4)))
    href = site.json("/s.json", shared)
    for label in (first, second):
        label["links"] = [{"rel": "source", "href": href}]
    listed = site.json("/items.json", {"type": "FeatureCollection", "features": [plain, first, second]})
    assert (await mirror(listed, dest, Options(layout="landcovernet"))).ok
    assert set(Mirrored(dest).files) == {
        "landcovernet/p/remote-name.tif",
        "landcovernet/l1/l1.tif",
        "landcovernet/l2/l2.tif",
        "landcovernet/l1/s.tif",
    }
