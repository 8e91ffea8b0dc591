"""The calls of the two former clients of MLHub: every row of docs/from-mlhub-clients.md is run."""

import asyncio
import datetime
import json
from pathlib import Path

import pytest

import mlhub_async
from mlhub_async import Client, Options, Selection, SourceError, UsageError, assets, verify
from mlhub_async.api.dataset_options import dataset_options
from mlhub_async.core.errors import NothingMatched, TransferError
from support.mirrored import Mirrored
from support.mlhub_site import BANDS, CLASSES, DATASET, DOI, LABELS, SOURCE, MlhubSite
from support.server import Delay, Status, tif

PAGE = Path(mlhub_async.__file__).parent.parent / "docs" / "from-mlhub-clients.md"


def rows():
    lines = (line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| "))
    cells = [tuple(line.strip("| ").split(" | ")) for line in lines]
    return [(old, new) for old, new in cells if new != "new call"]


@pytest.fixture
async def hub(troubled):
    return MlhubSite(await troubled.site())


def client(hub, **given):
    """As the README of the small client makes it; the server is another one."""
    fixed = {"root_url": hub.root, "environ": {}, "options": Options(allow_private=True)}
    names = {"api_token": "YOUR-TOKEN", "collection_id": LABELS, "feature_id": "l2"}
    return Client(**{**names, **fixed, **given})


async def ids(listing):
    return [one["id"] async for one in listing]


async def verified(dest):
    return (await verify(dest)).ok


def keys(found):
    return [f"{asset.item}/{asset.key}" for asset in found]


RESULTS = {
    "await mlhub.item()": lambda found: found["id"] == "l2",
    "await mlhub.collection(": lambda found: found["id"] == SOURCE,
    'missing="none")': lambda found: found is None or found[1] is None or len(found) == 4,
    "mlhub_async.assets(item, keys": lambda found: keys(found) == ["l2/labels"],
    "for one in mlhub.items()": lambda found: keys(found) == ["l1/labels", "l2/labels", "l3/labels"],
    "max_items=2": lambda found: keys(found) == ["l1/labels", "l2/labels"],
    "mlhub.item_all_assets": lambda found: len(found) == 1 + 2 * len(BANDS),
    'classes=["Water"]': lambda found: len(found) == 2 + 2 * len(BANDS),
    "mlhub.download(": lambda path: path.read_bytes() == tif(300, sum(b"l2/labels")),
    "mlhub.downloads(": lambda result: result.ok and result.fetched == 2 + 2 * len(BANDS),
    "mlhub.datasets(": lambda found: [one["id"] for one in found] == [DATASET],
    "mlhub.dataset(": lambda found: found["doi"] == DOI,
    ").all": lambda found: [one["id"] for one in found] == [SOURCE, LABELS],
    ").source_imagery": lambda found: [one["id"] for one in found] == [SOURCE],
    ").labels": lambda found: [one["id"] for one in found] == [LABELS],
    "stac_catalog_size": lambda size: size == 263582,
    "estimated_dataset_size": lambda size: size == 77207762,
    "data/whole": lambda report: report.fetched == 6 + 6 * len(BANDS),
    "data/documents": lambda report: report.fetched == 6 + 6 * len(BANDS),
    "data/only": lambda report: (report.fetched, report.filtered) == (0, 6 + 6 * len(BANDS)),
    "data/again": lambda report: report.ok and report.fetched,
    "data/box": lambda report: report.ok and report.fetched,
    "data/area": lambda report: report.ok and report.fetched,
    "data/time": lambda report: report.fetched == 6 + 6 * len(BANDS),
    "data/day": lambda report: report.fetched == 3 * len(BANDS),
    "data/bands": lambda report: report.fetched == 6 + 6,
    "mlhub.collections()": lambda found: [one["id"] for one in found] == [LABELS, SOURCE],
    "l1_20180101": lambda found: found["id"] == "l1_20180101",
    "archive_info": lambda size: size > 100,
    "download_archive": lambda path: path.name == f"{LABELS}.tar.gz" and path.stat().st_size > 100,
    "max_items=10": lambda found: len(found) == 6,
    "mlhub.models()": lambda found: [one["id"] for one in found] == ["model-v1"],
    "mlhub.model(": lambda found: found["id"] == "model-v1",
    "mlhub.mirror(": lambda report: report.ok and report.fetched == 6 + 6 * len(BANDS),
    "describe": lambda found: found is None,
}
"""What a call gives, by a part of it: the first that it has."""


@pytest.mark.parametrize(("old", "new"), rows(), ids=range(len(rows())))
async def test_every_row_of_the_table_runs(hub, tmp_path, monkeypatch, capsys, old, new):
    monkeypatch.chdir(tmp_path)
    call = new.strip("`")
    [holds, *_] = [check for part, check in RESULTS.items() if part in call]
    names = {"mlhub_async": mlhub_async, "Options": Options, "datetime": datetime.datetime}
    async with client(hub) as mlhub:
        source = f"async def run(mlhub, item):\n    return {call}"
        exec(source, names)
        found = await names["run"](mlhub, await mlhub.item())
    assert holds(found), (old, found)
    if "describe" in call:
        assert f"{LABELS}\nlicense: CC-BY-4.0" in capsys.readouterr().out


def test_the_table_has_all_functions_of_the_small_client():
    text = PAGE.read_text("utf-8")
    for name in (
        *("describe_collection", "get_item", "get_items", "get_item_assets", "get_items_assets", "download"),
        *("downloads", "get_item_source_assets", "get_items_source_assets", "get_item_all_assets"),
        "get_items_all_assets",
    ):
        assert f"client.{name}(" in text, name


async def test_collection_and_item_are_the_defaults_of_every_call(hub, dest):
    async with client(hub) as mlhub:
        assert (await mlhub.collection())["id"] == LABELS
        assert LABELS in await mlhub.describe()
        assert await ids(mlhub.items()) == list(CLASSES)
        assert [len(page) async for page in mlhub.pages(limit=2)] == [2, 1]
        assert [one["id"] for one in await mlhub.items_by_id()] == ["l2"]
        assert (await mlhub.archive_info())["collection"] == LABELS
        assert len([one async for one in mlhub.items_all_assets()]) == 6 + 6 * len(BANDS)
        assert (await mlhub.mirror(dest=dest)).ok
    async with client(hub, collection_id=None, feature_id=None) as mlhub:
        with pytest.raises(UsageError, match="name a collection, or give the client a collection_id"):
            await mlhub.collection()
        with pytest.raises(UsageError, match="name an item, or give the client a feature_id"):
            await mlhub.item(LABELS)
        assert await mlhub.items_by_id(LABELS) == []
        with pytest.raises(UsageError, match="dest is missing"):
            await mlhub.mirror(LABELS)


async def test_what_is_missing_is_an_error_or_none_as_the_caller_says(hub, dest):
    hub.site.put(f"/mlhub/v1/collections/{SOURCE}/items/l2_20180101", always=[Status(404)])
    async with client(hub) as mlhub:
        assert await mlhub.item(id="gone", missing="none") is None
        with pytest.raises(SourceError, match="items/gone"):
            await mlhub.item(id="gone")
        found = await mlhub.items_by_id(ids=["l3", "gone", "l1"], missing="none")
        assert [one and one["id"] for one in found] == ["l3", None, "l1"]
        item = await mlhub.item()
        assert await ids(mlhub.source_items(item, missing="none")) == ["l2_20180102"]
        with pytest.raises(SourceError, match="l2_20180101"):
            await ids(mlhub.source_items(item))
        with pytest.raises(SourceError, match="l2_20180101"):
            _ = [one async for one in mlhub.items_all_assets()]
        some = [one async for one in mlhub.items_all_assets(missing="none", keys=(), source_keys="B02")]
        assert len(some) == 5
        assert await mlhub.archive_info(SOURCE) is None and await mlhub.catalog_info("floods") is None
        with pytest.raises(TransferError, match="archive"):
            await mlhub.download_archive(SOURCE, dest)
    hub.site.put(f"/mlhub/v1/collections/{LABELS}/items/denied", always=[Status(403)])
    async with client(hub) as mlhub:
        with pytest.raises(SourceError, match="403"):
            await mlhub.item(id="denied", missing="none")


async def test_classes_count_before_max_items_and_are_decided_as_on_the_command_line(hub):
    async with client(hub) as mlhub:
        assert await ids(mlhub.items(classes="wheat", max_items=2, limit=1)) == ["l1", "l2"]
        assert await ids(mlhub.items(classes=["Water"], max_items=1)) == ["l2"]
        assert await ids(mlhub.items(classes=["Ice"])) == []


async def test_a_listing_holds_no_more_than_a_page_and_sixteen_items(troubled):
    hub = MlhubSite(await troubled.site(), dates=9)
    hub.api.page_size = 1
    asked = []
    hub.site.answered = lambda seen, _: asked.append(seen.path)
    async with client(hub) as mlhub:
        listing = mlhub.items_all_assets()
        for _ in range(3):
            await anext(listing)
        await listing.aclose()
    assert sum("/items/" in path for path in asked) == 9
    assert sum(path.endswith("/items") for path in asked) == 1


async def test_downloads_run_side_by_side_and_one_that_fails_is_told(hub, dest):
    gone = hub.labels[1]["assets"]["extent"]["href"]
    hub.site.put(gone.removeprefix(hub.site.origin), always=[Status(404)])
    told = []

    async def each(asset, path, error):
        told.append((f"{asset.item}/{asset.key}", path, error and error.kind))

    async with client(hub) as mlhub:
        found = [one async for one in mlhub.items_all_assets()]
        result = await mlhub.downloads([*found, *found[:3]], dest, each=each)
        assert (result.fetched, result.repeated, result.failures, result.ok) == (17, 3, 1, False)
        assert [(asset.item, error.kind) for asset, error in result.failed] == [("l2", "not-found")]
        with pytest.raises(TransferError, match="404"):
            result.raise_for_failures()
    paths = {path.relative_to(dest).as_posix() for _, path, _ in told if path}
    assert len(told) == 18 and len(paths) == 17 and f"{SOURCE}/l3_20180102/B03.tif" in paths
    assert (dest / LABELS / "l1" / "labels.tif").read_bytes() == tif(300, sum(b"l1/labels"))
    assert hub.site.peak > 1


async def test_downloads_take_assets_while_a_listing_goes_on_and_stop_with_its_error(hub, dest):
    hub.site.put(f"/mlhub/v1/collections/{SOURCE}/items/l3_20180102", always=[Delay(0.2), Status(404)])
    async with client(hub, options=Options(allow_private=True, concurrency=2)) as mlhub:
        with pytest.raises(SourceError, match="l3_20180102"):
            await mlhub.downloads(mlhub.items_all_assets(), dest)
        assert (dest / LABELS / "l1" / "labels.tif").exists()
        running = {getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()}
        assert not [name for name in running if not name.startswith(("Site.", "test_"))]


async def test_a_key_is_sent_as_bearer_token_and_not_to_the_storage(hub, dest):
    async with client(hub) as mlhub:
        await mlhub.downloads(assets(await mlhub.item()), dest)
    sent = {seen.path: dict(seen.headers).get("authorization") for seen in hub.site.log}
    assert sent[f"/mlhub/v1/collections/{LABELS}/items/l2"] == "Bearer YOUR-TOKEN"


async def test_documents_can_lie_elsewhere_than_assets(hub, tmp_path):
    dest, asset_dir = tmp_path / "documents", tmp_path / "assets"
    (dest / "mine").mkdir(parents=True)
    async with client(hub) as mlhub:
        for _ in range(2):
            assert (await mlhub.mirror_dataset(DATASET, dest, asset_dir=asset_dir)).ok
    written = json.loads((dest / LABELS / "l1" / "l1.json").read_text())
    href = written["assets"]["labels"]["href"]
    assert Path(href) == asset_dir / LABELS / "l1" / "labels.tif"
    assert await verified(asset_dir)
    assert {path.suffix for path in dest.rglob("*") if path.is_file()} == {".json"}
    documents = {path.relative_to(dest) for path in dest.rglob("*.json")}
    assert documents == {
        path.relative_to(asset_dir) for path in asset_dir.rglob("*.json") if ".mlhub" not in path.parts
    }
    pystac = pytest.importorskip("pystac")
    catalog = pystac.Catalog.from_file(str(dest / "catalog.json"))
    assert len(list(catalog.get_items(recursive=True))) == 9


async def test_a_directory_for_assets_that_is_that_of_the_documents_is_an_ordinary_mirror(hub, dest):
    async with client(hub) as mlhub:
        assert (await mlhub.mirror_dataset(DATASET, dest, asset_dir=f"{dest}/.")).ok
    assert json.loads((dest / LABELS / "l1" / "l1.json").read_text())["assets"]["labels"]["href"] == (
        "./labels.tif"
    )


async def test_a_filter_of_collections_is_an_allow_list_with_keys_of_each(hub, dest):
    async with client(hub) as mlhub:
        wanted = {SOURCE: ["B03"], LABELS: []}
        assert (await mlhub.mirror_dataset(DATASET, dest, collection_filter=wanted)).ok
        names = {path.name for path in dest.rglob("*.tif")}
        assert names == {"B03.tif", "labels.tif", "extent.tif"}
        other = dest.with_name("other")
        assert (await mlhub.mirror_dataset(DATASET, other, collection_filter={LABELS: "labels"})).ok
        assert {path.name for path in other.rglob("*.tif")} == {"labels.tif"}
        report = await mlhub.mirror_dataset(DATASET, dest, collection_filter={SOURCE: ["B99"]})
        assert report.exit_code == NothingMatched.exit_code
        with pytest.raises(SourceError, match="has no collection"):
            await mlhub.mirror_dataset(DATASET, dest, collection_filter={"other": []})


def test_a_glob_with_a_slash_names_the_collection_too(site, run_cli, dest):
    hub = MlhubSite(site)
    words = ("-i", f"{LABELS}/labels", "-i", f"{SOURCE}/B*", "-x", "*/B03")
    ran = run_cli("mirror", "mlhub", dest, "--dataset", DATASET, *words, env={"MLHUB_ROOT_URL": hub.root})
    assert ran.code == 0, ran.err
    mirrored = Mirrored(dest)
    mirrored.check(0)
    assert {name.rpartition("/")[2] for name in mirrored.files} == {"labels.tif", "B02.tif"}


async def test_catalog_only_writes_documents_that_lead_to_the_server(hub, dest):
    async with client(hub) as mlhub:
        report = await mlhub.mirror_dataset(DATASET, dest, catalog_only=True)
        assert (report.exit_code, report.bytes) == (0, 0)
        written = json.loads((dest / LABELS / "l1" / "l1.json").read_text())
        assert written["assets"]["labels"]["href"].startswith(f"{hub.root}/download/")
        assert (await mlhub.mirror_dataset(DATASET, dest)).fetched == 6 + 6 * len(BANDS)


@pytest.mark.parametrize(
    ("given", "field", "expected"),
    [
        ({"datetime": datetime.datetime(2018, 5, 6, 23)}, "datetime", "2018-05-06"),
        (
            {"datetime": (datetime.datetime(2018, 1, 2), datetime.datetime(2019, 1, 1, 5))},
            "datetime",
            "2018-01-02T00:00:00Z/2019-01-01T05:00:00Z",
        ),
        ({"datetime": "2018/.."}, "datetime", "2018/.."),
        ({"bbox": [1, 2, 3, 4]}, "bbox", (1, 2, 3, 4)),
        ({"bbox": None}, "bbox", None),
        (
            {"intersects": {"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 2]}}},
            "intersects",
            {"type": "Point", "coordinates": [1, 2]},
        ),
        ({"collection_filter": {"a*": ["B?"], "b": []}}, "include", ("a[*]/B[?]", "b/*")),
        ({"collection_filter": {"a": []}}, "include", ("kept",)),
    ],
)
def test_arguments_of_the_official_client_are_conditions(given, field, expected):
    options = Options(selection=Selection(include="kept"))
    chosen = dataset_options(options, "d", given)
    assert getattr(chosen.selection, field) == expected and chosen.selection.dataset == "d"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"bbox": [1, 2, 3, 4], "intersects": {"type": "Point", "coordinates": [1, 2]}}, "give only one"),
        ({"datetime": 7}, "a text, a datetime, or a pair"),
        ({"collection_filter": ["a"]}, "a dict of collection ids"),
        ({"if_exists": "never"}, "if_exists='never'"),
        ({"box": [1]}, "box: it can be bbox"),
    ],
)
def test_arguments_that_cannot_be_are_refused_by_name(given, said):
    with pytest.raises(UsageError, match=said):
        dataset_options(Options(), "d", given)


async def test_without_a_server_the_record_answers_and_all_else_says_why(dest):
    async with Client(api_token="t", collection_id=LABELS, environ={}) as mlhub:
        found = [one async for one in mlhub.datasets(text="landcovernet")]
        assert {one["id"] for one in found} >= {DATASET, "ref_landcovernet_eu_v1"}
        assert found[0]["places"][0]["address"] == "source.coop:radiantearth/landcovernet"
        assert (await mlhub.dataset("10.34911/rdnt.dw605x"))["id"] == "ref_african_crops_kenya_02"
        for call in (mlhub.collection(), mlhub.item(id="x"), mlhub.models(), mlhub.describe()):
            with pytest.raises(SourceError, match="closed in 2023"):
                await call
        with pytest.raises(SourceError, match="closed in 2023: name the dataset of ref_landcovernet_v1_lab"):
            await mlhub.mirror(dest=dest)


async def test_one_tag_or_phrase_needs_no_list_and_extensions_are_asked_for(hub):
    async with client(hub) as mlhub:
        assert await ids(mlhub.datasets(tags="flood")) == ["floods"]
        assert [page async for page in mlhub.pages(extensions=["label", "eo"])]
    assert hub.site.log[-1].query == "limit=100&extensions=label&extensions=eo"
