"""A saved plan has no signature that a later run gets anew: from the item's own address, or by signing."""

import json
import sys

import pytest

from support.mirrored import Mirrored, publish
from support.one_request import CANARY
from support.server import tif
from support.stac_server import Api, stac_collection, stac_item
from support.wire_format import Ask, Reply, content

BODY = tif(3000)
TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"


class SigningApi:
    """An item whose hrefs are signed anew each time that it is read; only the newest ones give the file."""

    def __init__(self, site, store, *, has_address=True):
        self.site, self.read = site, 0
        self.href = store.put("/data.tif", BODY)
        thing = store.things["/data.tif"]
        self.links = [{"rel": "self", "href": site.url("/items/i")}] if has_address else []

        def file(seen):
            good = seen.query == self.query
            return content(Ask(dict(seen.headers), thing)) if good else Reply(403, [], b"expired")

        store.route("/data.tif", file)
        site.route("/items/i", self.item)

    @property
    def query(self):
        return f"X-Amz-Date=2026&X-Amz-Expires=60&X-Amz-Signature={CANARY}{self.read}"

    def item(self, seen):
        self.read += 1
        item = stac_item("i", data=f"{self.href}?{self.query}") | {"links": self.links}
        return Reply(200, [("Content-Type", "application/geo+json")], json.dumps(item).encode())


@pytest.mark.parametrize("name", ["plan.ndjson", "plan.json"])
def test_signatures_are_asked_for_anew_at_the_address_of_the_item(
    site, troubled_thread, run_cli, dest, tmp_path, name
):
    store, plan = troubled_thread.site(), tmp_path / name
    api = SigningApi(site, store)
    words = ("--allow-private", "-vv", "--json")
    made = run_cli("plan", site.url("/items/i"), "--save", plan, *words)
    assert made.code == 0 and CANARY not in plan.read_text() + made.out + made.err, made.err
    ran = run_cli("mirror", plan, dest, *words)
    assert ran.code == 0, ran.err
    assert list(Mirrored(dest).files.values()) == [BODY]
    assert (api.read, [seen.query for seen in store.log]) == (2, [api.query])
    again = run_cli("mirror", plan, dest, *words)
    assert again.code == 0 and len(store.log) == 1
    written = [path for path in dest.rglob("*") if path.is_file()]
    assert not [path for path in written if CANARY.encode() in path.read_bytes()]


def test_an_item_without_an_address_keeps_what_its_files_need(site, troubled_thread, run_cli, dest, tmp_path):
    store, plan = troubled_thread.site(), tmp_path / "plan.ndjson"
    SigningApi(site, store, has_address=False)
    assert run_cli("plan", site.url("/items/i"), "--save", plan).code == 0
    assert CANARY in plan.read_text() and plan.stat().st_mode & 0o077 == 0
    assert run_cli("mirror", plan, dest, "--allow-private").code == 0


def test_signatures_of_the_planetary_computer_are_never_kept(site, run_cli, tmp_path):
    href = f"https://a123.blob.core.windows.net/c/x.tif?sv=2021&se=2040-01-01&sktid={TENANT}&sig={CANARY}"
    source, plan = site.json("/i.json", stac_item("i", data=href)), tmp_path / "plan.ndjson"
    assert run_cli("plan", source, "--save", plan).code == 0
    assert CANARY not in plan.read_text() and f"sktid={TENANT}&sig=~" in plan.read_text()


def documents(dest):
    """All documents of a mirror but its catalog.json, which names its source, by path."""
    found = {path.relative_to(dest).as_posix(): path for path in dest.rglob("*.json")}
    return {name: path.read_text() for name, path in found.items() if name.count("/") and name[0] != "."}


@pytest.fixture
def catalogue(tmp_path):
    """A catalogue on disk: items with links to each other, a collection with an asset and a description."""
    folder = tmp_path / "source"
    folder.mkdir()
    links = []
    for number in range(5):
        item = stac_item(f"i{number}", data=f"{number}.tif")
        item["links"] = [
            {"rel": rel, "href": f"./i{(number + 1) % 5}.json"} for rel in ("source", "derived_from")
        ]
        (folder / f"i{number}.json").write_text(json.dumps(item))
        (folder / f"{number}.tif").write_bytes(tif(900, number))
        links.append({"rel": "item", "href": f"./i{number}.json"})
    about = {"description": "Fields of 2019", "license": "CC-BY-4.0", "keywords": ["fields"]}
    collection = stac_collection("c1", assets={"about": {"href": "./about.tif"}}, **about)
    collection["links"] = [*links, {"rel": "license", "href": "./license.txt"}]
    (folder / "about.tif").write_bytes(tif(100, 7))
    (folder / "collection.json").write_text(json.dumps(collection))
    return folder / "collection.json"


def piped(run_cli, source, dest):
    """`plan --save - | mirror -`, in a shell. Local files are read only below the directory of a list."""
    program = f"{sys.executable} -m mlhub_async"
    script = f'cd "$(dirname "$0")" && {program} plan "$0" --save - | {program} mirror - "$1"'
    return run_cli.start_raw("sh", "-c", script, source, dest).finish()


@pytest.mark.parametrize("name", ["plan.ndjson", "plan.json", "-"])
def test_a_mirror_of_a_saved_plan_has_the_collections_and_links_of_the_catalogue(
    run_cli, catalogue, tmp_path, name
):
    whole, dest = tmp_path / "whole", tmp_path / "copy"
    assert run_cli("mirror", catalogue, whole).code == 0
    if name == "-":
        ended = piped(run_cli, catalogue, dest)
    else:
        plan = catalogue.with_name(name)
        assert run_cli("plan", catalogue, "--save", plan).code == 0
        ended = run_cli("mirror", plan, dest)
    assert ended.code == 0, ended.err
    assert Mirrored(dest).files == Mirrored(whole).files and len(Mirrored(dest).files) == 6
    assert documents(dest) == documents(whole)
    assert documents(dest)["c1/i0/i0.json"].count('"../i1/i1.json"') == 2
    assert "Fields of 2019" in documents(dest)["c1/collection.json"]
    assert Mirrored(dest).receipt["listing"]["unique"] == 5
    assert Mirrored(dest).receipt["manifest_sha256"] == Mirrored(whole).receipt["manifest_sha256"]
    assert run_cli("verify", dest).code == 0


@pytest.mark.parametrize("name", ["plan.ndjson", "plan.json"])
def test_a_saved_plan_on_a_server_is_the_same(run_cli, site, tmp_path, name):
    about = {"about": {"href": site.put("/about.tif", tif(100, 7))}}
    items = publish(site, ["a", "b"])
    url = Api(site, items, collections=[stac_collection("c1", assets=about)]).url
    assert run_cli("plan", url, "--save", name, "--allow-private").code == 0
    served = site.put(f"/{name}", (run_cli.home / name).read_bytes())
    for source, dest in ((url, tmp_path / "whole"), (served, tmp_path / "copy")):
        assert run_cli("mirror", source, dest, "--allow-private").code == 0
    assert "c1/_common/about.tif" in Mirrored(tmp_path / "whole").files
    assert Mirrored(tmp_path / "copy").files == Mirrored(tmp_path / "whole").files


def test_lines_are_items_alone_where_collections_have_no_files(run_cli, site):
    url = Api(site, publish(site, ["a", "b"]), collections=[stac_collection("c1")]).url
    assert run_cli("plan", url, "--save", "plan.ndjson").code == 0
    lines = (run_cli.home / "plan.ndjson").read_text().splitlines()
    assert [json.loads(line)["type"] for line in lines] == ["Feature", "Feature"]


def test_collections_that_are_not_chosen_are_left_out(run_cli, site, catalogue, dest):
    assert run_cli("plan", catalogue, "--save", "plan.ndjson").code == 0
    with (run_cli.home / "plan.ndjson").open("a") as file:
        file.write(json.dumps(stac_item("other", "c2", data=site.put("/o.tif", tif(500)))) + "\n")
    assert run_cli("mirror", "plan.ndjson", dest, "-c", "c2", "--allow-private").code == 0
    assert list(Mirrored(dest).files) == ["c2/other/data.tif"]


@pytest.mark.parametrize("name", ["plan.ndjson", "plan.json"])
def test_a_collection_without_items_is_in_the_plan(run_cli, site, dest, name):
    assets = {"about": {"href": site.put("/about.tif", tif(100, 7))}}
    url = site.json("/c1.json", stac_collection("c1", assets=assets))
    assert run_cli("plan", url, "--save", name).code == 0
    assert run_cli("mirror", name, dest, "-c", "c1", "--allow-private").code == 0
    assert list(Mirrored(dest).files) == ["c1/_common/about.tif"]


def test_shards_of_a_saved_plan_are_joined_to_the_whole(run_cli, catalogue, tmp_path):
    assert run_cli("mirror", catalogue, tmp_path / "whole").code == 0
    plan = catalogue.with_name("plan.ndjson")
    assert run_cli("plan", catalogue, "--save", plan).code == 0
    for number in (1, 2):
        assert run_cli("mirror", plan, "copy", "--shard", f"{number}/2").code == 0
    assert run_cli("merge", "copy").code == 0
    copy = run_cli.home / "copy"
    assert documents(copy) == documents(tmp_path / "whole")
    assert (
        Mirrored(copy).receipt["manifest_sha256"] == Mirrored(tmp_path / "whole").receipt["manifest_sha256"]
    )


def test_items_on_stdout_are_alone_there(run_cli, catalogue):
    ended = run_cli("plan", catalogue, "--save", "-")
    assert ended.code == 0
    assert sorted(one["id"] for one in ended.events) == ["c1", "i0", "i1", "i2", "i3", "i4"]
    assert "5 items, 6 assets" in ended.err
    assert list(run_cli.home.iterdir()) == []
    dry = run_cli("mirror", catalogue, "copy", "-n", "--save", "-")
    assert sorted(dry.out) == sorted(ended.out) and list(run_cli.home.iterdir()) == []


def test_two_results_do_not_share_stdout(run_cli, catalogue):
    ended = run_cli("plan", catalogue, "--save", "-", "--json")
    assert ended.code == 2 and "--save - and --json" in ended.err


@pytest.mark.parametrize(
    "words",
    [
        ("plan", "SOURCE", "--save", ""),
        ("mirror", "SOURCE", "copy", "-n", "--save", ""),
        ("mirror", "SOURCE", "copy", "--save", ""),
        ("report", "copy", "-o", ""),
        ("lock", "copy", "-o", ""),
    ],
    ids=lambda words: words[0],
)
def test_an_empty_name_of_a_file_is_a_usage_error(run_cli, catalogue, words):
    given = [catalogue if word == "SOURCE" else word for word in words]
    ended = run_cli(*given)
    assert ended.code == 2 and words[-2] in ended.err
    assert list(run_cli.home.iterdir()) == []
