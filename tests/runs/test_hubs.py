"""Data hubs and records as SOURCE, against stubs with the forms of their documentation."""

import json
from urllib.parse import parse_qs

import pytest

import mlhub_async
from mlhub_async.core.urls import quoted_key
from support.archives import zipped
from support.hubs import (
    COMMIT,
    LARGE,
    Hub,
    answer,
    md5,
    publish_article,
    publish_data_set,
    publish_rdm_record,
    publish_record,
)
from support.mirrored import Mirrored
from support.server import tif
from support.stac_server import stac_collection, stac_item
from support.wire_format import Reply

TOKEN = "hf_canary0123456789"
FILES = {
    "README.md": b"# A set\n",
    "train/a b.tif": tif(3000, 1),
    "train/b.tif": tif(300, 2),
    "test/\u00e9.tif": tif(3000, 3),
}
SOURCE = "hf://datasets/org/name"


@pytest.fixture
def cdn(troubled_thread):
    return troubled_thread.site("localhost")


def run(run_cli, hub, *words, token="", **env):
    env = {"HF_ENDPOINT": hub.site.origin, **({"HF_TOKEN": token} if token else {}), **env}
    return run_cli(*words, "--allow-private", env=env)


def test_a_data_set_is_mirrored_at_one_commit_and_proven_by_its_digests(site, cdn, run_cli, dest):
    hub = Hub(site, cdn, "org/name", FILES, page_size=2)
    ran = run(run_cli, hub, "mirror", SOURCE, dest)
    assert ran.code == 0, ran.err
    mirrored = Mirrored(dest)
    mirrored.check(0)
    assert set(mirrored.files) == {
        "name/name/README.md",
        "name/train/a b.tif",
        "name/train/b.tif",
        "name/test/\u00e9.tif",
    }
    assert mirrored.receipt["assets"]["verified_checksum"] == 4
    assert mirrored.receipt["source"] == "hf://datasets/org/name@main"
    assert mirrored.receipt["listing"]["revision"] == COMMIT
    collection = json.loads((dest / "name/collection.json").read_text())
    assert (collection["title"], collection["license"]) == ("A set", "cc-by-4.0")
    written = b"".join(path.read_bytes() for path in dest.rglob("*") if path.is_file())
    assert b"SIGNED" not in written
    before = len(site.log)
    assert "0 fetched, 4 already there" in run(run_cli, hub, "mirror", SOURCE, dest).err
    assert not [seen for seen in site.log[before:] if seen.path.endswith(".tif")]


def test_a_new_commit_fetches_what_it_has_changed(site, cdn, run_cli, dest):
    run(run_cli, Hub(site, cdn, "org/name", FILES), "mirror", SOURCE, dest)
    later = Hub(site, cdn, "org/name", {**FILES, "train/b.tif": tif(300, 9)}, commit=COMMIT[::-1])
    before = len(site.log)
    ran = run(run_cli, later, "mirror", SOURCE, dest)
    assert ran.code == 0 and Mirrored(dest).files["name/train/b.tif"] == tif(300, 9)
    fetched = [seen.path for seen in site.log[before:] if "/resolve/" in seen.path]
    assert [path for path in fetched if path.endswith((".tif", ".md"))] == [
        f"/datasets/org/name/resolve/{COMMIT[::-1]}/train/b.tif"
    ]
    fewer = {name: body for name, body in FILES.items() if name != "train/b.tif"}
    last = Hub(site, cdn, "org/name", fewer, commit=COMMIT.replace("0", "5"))
    assert run(run_cli, last, "mirror", SOURCE, dest, "--prune").code == 0
    assert "name/train/b.tif" not in Mirrored(dest).files


def test_a_catalogue_in_a_data_set_is_read_whatever_its_redirects(site, cdn, run_cli, dest):
    item = stac_item("i", "c1", data="./i.tif")
    collection = stac_collection("c1", links=[{"rel": "item", "href": "./sub/i.json"}])
    documents = {"collection.json": collection, "sub/i.json": item}
    files = {name: json.dumps({**body, "pad": " " * LARGE}).encode() for name, body in documents.items()}
    hub = Hub(site, cdn, "org/name", {**files, "sub/i.tif": tif(3000, 1)})
    ran = run(run_cli, hub, "mirror", SOURCE, dest, "--datetime", "2000/..")
    assert ran.code == 0, ran.err
    assert Mirrored(dest).files == {"c1/i/data.tif": tif(3000, 1)}


def test_a_program_gives_the_same_source_and_diff_tells_what_is_new(site, cdn, run_cli, dest, monkeypatch):
    hub = Hub(site, cdn, "org/name", FILES)
    monkeypatch.setenv("HF_ENDPOINT", hub.site.origin)
    report = mlhub_async.blocking.mirror(SOURCE, dest, mlhub_async.Options(allow_private=True))
    assert report.ok and report.fetched == 4
    hub = Hub(site, cdn, "org/name", {**FILES, "train/new.tif": tif(300, 8)}, commit=COMMIT[::-1])
    ran = run(run_cli, hub, "diff", SOURCE, dest, "--json")
    assert ran.code == 0 and ran.events[-1]["fetch"]["assets"] == 1, ran.out
    listed = run(run_cli, hub, "ls", SOURCE)
    assert listed.code == 0 and "new.tif" in listed.out


def test_a_small_file_with_other_bytes_than_git_has_is_refused(site, cdn, run_cli, dest):
    hub = Hub(site, cdn, "org/name", FILES)
    site.put(f"/datasets/org/name/resolve/{COMMIT}/train/b.tif", tif(300, 77))
    site.routes.pop(f"/datasets/org/name/resolve/{COMMIT}/train/b.tif")
    ran = run(run_cli, hub, "mirror", SOURCE, dest)
    assert ran.code == 4 and Mirrored(dest).errors[0]["error"]["class"] == "checksum-mismatch"


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("hf://datasets/org/name/train", 2),
        ("hf://datasets/org/name@main/train/b*", 1),
        ("{hub}/datasets/org/name", 4),
        ("{hub}/datasets/org/name/tree/main/train", 2),
        ("hf://datasets/org/name/**/*.tif", 3),
    ],
)
def test_a_folder_a_page_and_a_glob_name_parts_of_it(site, cdn, run_cli, source, count):
    hub = Hub(site, cdn, "org/name", FILES)
    ran = run(run_cli, hub, "plan", source.format(hub=site.origin), "--json")
    assert (ran.code, ran.events[-1]["assets"], ran.events[-1]["unknown_sizes"]) == (0, count, 0), ran.err


@pytest.mark.parametrize(
    "source",
    [
        "hf://datasets/org/name/train/b.tif",
        "{hub}/datasets/org/name/blob/main/train/b.tif",
        "{hub}/datasets/org/name/resolve/main/train/b.tif?download=true",
    ],
)
def test_one_file_of_a_data_set_is_named_by_its_address_or_its_page(site, cdn, run_cli, dest, source):
    hub = Hub(site, cdn, "org/name", FILES, page_size=1)
    ran = run(run_cli, hub, "mirror", source.format(hub=site.origin), dest)
    assert ran.code == 0, ran.err
    assert [*Mirrored(dest).files.values()] == [FILES["train/b.tif"]]
    absent = run(run_cli, hub, "mirror", "hf://datasets/org/name/train/none.tif", dest)
    assert absent.code == 3 and "no such data set, revision or folder" in absent.err


@pytest.mark.parametrize(
    "source",
    [
        "hf://datasets/org/name/train/a b.zip",
        "{hub}/datasets/org/name/blob/main/train/a b.zip",
        "{hub}/datasets/org/name/resolve/main/train/a%20b.zip",
    ],
)
def test_an_archive_of_a_data_set_is_opened_where_its_address_names_it(site, cdn, run_cli, dest, source):
    hub = Hub(site, cdn, "org/name", FILES)
    site.put("/datasets/org/name/resolve/main/train/a%20b.zip", zipped({"x/1.tif": tif(300)}))
    ran = run(run_cli, hub, "mirror", source.format(hub=site.origin), dest)
    assert ran.code == 0, ran.err
    assert [*Mirrored(dest).files.values()] == [tif(300)]


@pytest.mark.parametrize("page", ["/viewer", "/viewer/default/train?row=3", "/tree/main/", ""])
@pytest.mark.parametrize("name", ["org/name", "name"])
def test_each_page_of_a_data_set_names_it(site, cdn, run_cli, page, name):
    """Data sets of the first days have no organization in their names."""
    hub = Hub(site, cdn, name, FILES)
    ran = run(run_cli, hub, "plan", site.url(f"/datasets/{name}{page}"), "--json")
    assert (ran.code, ran.events[-1]["assets"]) == (0, 4), ran.err


@pytest.mark.parametrize("rewrites", [True, False])
def test_a_hub_below_a_path_is_read_whether_its_links_have_that_path_or_not(
    site, cdn, run_cli, dest, rewrites
):
    hub = Hub(site, cdn, "org/name", FILES, page_size=1)
    hub.publish(below="/repository/hf")
    hub.link_root = hub.link_root if rewrites else "https://huggingface.co"
    ran = run_cli("mirror", SOURCE, dest, "--allow-private", env={"HF_ENDPOINT": site.url("/repository/hf/")})
    assert (ran.code, len(Mirrored(dest).files)) == (0, 4), ran.err


@pytest.mark.parametrize("transport", ["fast", "aiohttp"])
def test_links_that_a_cache_adds_before_that_of_the_hub_hide_no_page(site, cdn, run_cli, dest, transport):
    hub = Hub(site, cdn, "org/name", FILES, page_size=1)
    tree = site.routes[(path := f"/api/datasets/org/name/tree/{COMMIT}")]

    def with_more_links(seen):
        reply = tree(seen)
        reply.headers.insert(0, ("Link", f"<{cdn.origin}/x.js>; rel=preload; as=script"))
        return reply

    site.routes[path] = with_more_links
    ran = run(run_cli, hub, "mirror", SOURCE, dest, "--transport", transport)
    assert (ran.code, len(Mirrored(dest).files)) == (0, 4), ran.err


@pytest.mark.parametrize(
    "source",
    [
        "hf://datasets/org/name@refs/convert/parquet/train",
        "hf://datasets/org/name@refs%2Fconvert%2Fparquet/train",
        "{hub}/datasets/org/name/tree/refs%2Fconvert%2Fparquet/train",
        "{hub}/datasets/org/name/tree/refs/convert/parquet/train",
    ],
)
def test_a_revision_that_the_hub_has_made_may_be_written_with_its_slashes(site, cdn, run_cli, source):
    hub = Hub(site, cdn, "org/name", FILES)
    hub.publish(revision="refs/convert/parquet")
    ran = run(run_cli, hub, "plan", source.format(hub=site.origin), "--json")
    assert (ran.code, ran.events[-1]["assets"]) == (0, 2), ran.err


def test_the_token_goes_to_the_hub_and_not_to_the_cdn(site, cdn, run_cli, dest):
    hub = Hub(site, cdn, "org/name", FILES, token=TOKEN)
    ran = run(run_cli, hub, "mirror", SOURCE, dest, "--json", token=TOKEN)
    assert ran.code == 0 and len(Mirrored(dest).files) == 4
    assert all("authorization" not in seen.headers for seen in cdn.log) and cdn.log
    written = b"".join(path.read_bytes() for path in dest.rglob("*") if path.is_file())
    assert TOKEN.encode() not in written and TOKEN not in ran.out + ran.err


def test_the_token_that_the_hubs_tools_have_saved_is_used(site, cdn, run_cli, dest, tmp_path):
    hub = Hub(site, cdn, "org/name", FILES, token=TOKEN)
    (tmp_path / "token").write_text(TOKEN + "\n")
    assert run(run_cli, hub, "mirror", SOURCE, dest, HF_HOME=str(tmp_path)).code == 0


@pytest.mark.parametrize(
    ("source", "about", "token", "told"),
    [
        (SOURCE, {"token": TOKEN}, "", "set HF_TOKEN"),
        (SOURCE, {"token": TOKEN}, "hf_other", "HF_TOKEN may not read it"),
        (SOURCE, {"token": TOKEN, "gated": "manual"}, "", "is gated: accept its terms at"),
        ("hf://datasets/org/name@gone", {}, "", "no such data set, revision or folder"),
        ("hf://datasets/org/name/gone", {}, "", "no such data set, revision or folder"),
    ],
)
def test_what_the_hub_does_not_give_is_exit_code_3(site, cdn, run_cli, dest, source, about, token, told):
    hub = Hub(site, cdn, "org/name", FILES, **about)
    ran = run(run_cli, hub, "mirror", source, dest, token=token)
    assert (ran.code, told in ran.err) == (3, True), ran.err


def test_a_rate_limit_without_retry_after_holds_the_hub_and_fails_nothing(site, cdn, run_cli, dest):
    hub = Hub(site, cdn, "org/name", {f"f{n}.tif": tif(300, n) for n in range(30)})
    path = f"/datasets/org/name/resolve/{COMMIT}/f7.tif"
    limited = [("RateLimit", '"resolvers";r=0;t=1'), ("RateLimit-Policy", '"resolvers";q=100;w=300')]
    answers = iter([Reply(429, limited, b"")])
    site.route(path, lambda seen: next(answers, None) or hub.resolve(seen))
    ran = run(run_cli, hub, "mirror", SOURCE, dest, "--json", "-R", "1")
    assert ran.code == 0 and Mirrored(dest).receipt["assets"]["failed"] == 0, ran.err
    held = [event for event in ran.events if event["event"] == "throttle"]
    assert len(held) == 1 and held[0]["key"] == "f7.tif"


RECORDS = {
    "zenodo": (publish_record, "8475"),
    "rdm": (publish_rdm_record, "abcde-fgh12"),
    "figshare": (publish_article, "77"),
    "dataverse": (publish_data_set, "ABC"),
}


@pytest.mark.parametrize("kind", RECORDS)
def test_a_record_is_mirrored_and_proven_by_its_md5(site, run_cli, dest, kind):
    publish, name = RECORDS[kind]
    files = {"a b.zip": b"PK\3\4" + tif(500, 1), "labels.csv": b"a,b\n1,2\n"}
    source = publish(site, files)
    ran = run_cli("mirror", source, dest, "--verify", "checksum")
    assert ran.code == 0, ran.err
    mirrored = Mirrored(dest)
    mirrored.check(0)
    assert mirrored.files == {f"{name}/{name}/{key}": body for key, body in files.items()}
    assert mirrored.receipt["assets"]["verified_checksum"] == 2
    assert "0 fetched, 2 already there" in run_cli("mirror", source, dest).err


VERSIONED = {"figshare": publish_article, "dataverse": publish_data_set}


@pytest.mark.parametrize("kind", VERSIONED)
def test_a_version_that_the_address_names_is_the_one_that_comes(site, run_cli, dest, kind):
    """The newest version of both has the same number and DOI as all others."""
    newest = VERSIONED[kind](site, {"a.bin": b"new"})
    second = VERSIONED[kind](
        site, {"a.bin": b"old", "b.bin": b"gone"}, "2.1" if kind == "dataverse" else 2, 11
    )
    name = RECORDS[kind][1]
    for source, files, version in (
        (newest, {"a.bin": b"new"}, ("3", "3.0")),
        (second, {"a.bin": b"old", "b.bin": b"gone"}, ("2", "2.1")),
    ):
        ran = run_cli("mirror", source, dest, "--prune")
        assert ran.code == 0, ran.err
        assert Mirrored(dest).files == {f"{name}/{name}/{key}": body for key, body in files.items()}
        assert str(Mirrored(dest).receipt["listing"]["version"]) in version


def test_files_of_one_name_in_an_article_all_come_with_their_ids_in_their_names(site, run_cli, dest):
    named = [("a.tif", tif(300, 1)), ("b.tif", tif(300, 2)), ("a.tif", tif(300, 3))]
    source = publish_article(site, named)
    assert run_cli("mirror", source, dest).code == 0
    files = {"a~1.tif": tif(300, 1), "b.tif": tif(300, 2), "a~3.tif": tif(300, 3)}
    assert Mirrored(dest).files == {f"77/77/{name}": body for name, body in files.items()}
    assert "0 fetched, 3 already there" in run_cli("mirror", source, dest).err
    publish_article(site, [*named, ("a~1.tif", tif(300, 4))])
    assert run_cli("mirror", source, dest, "--prune").code == 0
    assert set(Mirrored(dest).files.values()) == {*files.values(), tif(300, 4)}


@pytest.mark.parametrize("key", ["a#b.tif", "a?b.tif", "%41.tif", "100% [x].tif", "a+b c.tif", "d/a#b.tif"])
def test_a_link_with_the_name_of_a_file_as_it_is_leads_to_that_file(site, run_cli, dest, key):
    body = tif(300)
    site.put(f"/api/records/8475/files/{quoted_key(key)}/content", body)
    link = site.url(f"/api/records/8475/files/{key}/content")
    row = {"key": key, "size": len(body), "checksum": f"md5:{md5(body)}", "links": {"self": link}}
    site.json("/api/records/8475", {"id": 8475, "metadata": {}, "files": [row]})
    ran = run_cli("mirror", site.url("/records/8475"), dest)
    assert ran.code == 0, ran.err
    assert [*Mirrored(dest).files.values()] == [body]


def article_in_pages(site, page_of, count=25, **about):
    """An article of `count` files; `page_of` gives the numbers of those on a page."""
    root = "/v2/articles/77"
    rows = [
        {"id": n, "name": f"{n}.tif", "size": 300 + n, "computed_md5": md5(tif(300 + n, n))}
        | {"download_url": site.put(f"/files/{n}", tif(300 + n, n))}
        for n in range(count)
    ]
    site.json(root, {"id": 77, "title": "An article", "version": 1, "files": rows[:10], **about})
    pages = []

    def page(seen):
        number = int(parse_qs(seen.query)["page"][0])
        pages.append(number)
        return answer([rows[n] for n in page_of(number)])

    site.route(f"{root}/files", page)
    return site.url(root), pages


@pytest.mark.parametrize("about", [{}, {"size": sum(300 + n for n in range(25))}], ids=["no size", "size"])
def test_pages_that_are_shorter_than_was_asked_for_are_all_read(site, run_cli, dest, about):
    source, pages = article_in_pages(site, lambda page: range(25)[10 * (page - 1) : 10 * page], **about)
    ran = run_cli("mirror", source, dest)
    assert ran.code == 0, ran.err
    assert len(Mirrored(dest).files) == 25 and pages == ([1, 2, 3] if about else [1, 2, 3, 4])


def test_a_list_of_files_whose_first_page_comes_again_and_again_is_not_whole(site, run_cli, dest):
    source, _ = article_in_pages(site, lambda page: range(10), size=sum(300 + n for n in range(25)))
    ran = run_cli("mirror", source, dest)
    assert ran.code == 4 and "comes again and again" in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    ("media_type", "name"),
    [
        ("application/x-stata-14", "table.dta"),
        ("application/x-spss-sav", "table.sav"),
        ("text/csv", "table.csv"),
        ("text/x-unknown", "table.tab"),
    ],
)
def test_a_table_has_its_suffix_of_before_where_only_its_format_is_known(
    site, run_cli, dest, media_type, name
):
    """Data sets from before Dataverse 5; some have -1 as the size."""
    body = b"any bytes" * 50
    about = {"id": 3, "filename": "table.tab", "filesize": 9, "md5": md5(body), "originalFileSize": -1}
    row = {"label": "table.tab", "dataFile": {**about, "originalFileFormat": media_type}}
    site.put("/api/access/datafile/3", body)
    version = {"files": [row], "versionNumber": 1, "versionMinorNumber": 0}
    site.json("/api/datasets/:persistentId/", {"data": {"latestVersion": version}})
    ran = run_cli("mirror", site.url("/dataset.xhtml?persistentId=doi:10.5072/FK2/ABC"), dest)
    assert ran.code == 0, ran.err
    assert Mirrored(dest).files == {f"ABC/ABC/{name}": body}
    assert site.log[-1].query == "format=original"


@pytest.mark.parametrize("kind", RECORDS)
def test_files_of_a_record_have_the_media_types_of_their_names(site, run_cli, kind):
    """Their URLs end in `/content`, or in a number."""
    source = RECORDS[kind][0](site, {"a.tif": tif(300, 1), "b.json": b"[]"})
    ran = run_cli("plan", source, "--media-type", "image/tiff", "--json")
    assert (ran.code, ran.events[-1]["assets"], ran.events[-1]["filtered"]) == (0, 1, 1), ran.err


def test_the_id_of_all_versions_leads_to_the_newest_record(site, run_cli, dest):
    publish_record(site, {"a.bin": b"a" * 50})
    site.redirect("/api/records/8474", site.url("/api/records/8475"))
    assert run_cli("mirror", site.url("/records/8474"), dest).code == 0
    assert set(Mirrored(dest).files) == {"8475/8475/a.bin"}


def test_restricted_records_and_missing_ones_are_exit_code_3(site, run_cli, dest):
    site.json("/api/records/1", {"id": 1, "metadata": {"access_right": "restricted"}, "files": []})
    site.put("/api/records/2", status=404)
    for number, told in (("1", "are not public"), ("2", "is not there")):
        ran = run_cli("mirror", site.url(f"/records/{number}"), dest)
        assert (ran.code, told in ran.err) == (3, True), ran.err


def test_a_record_of_many_files_is_listed_whole(site, run_cli):
    rows = [{"key": f"{n:06}.bin", "size": 1, "checksum": f"md5:{n:032x}"} for n in range(100_000)]
    site.json("/api/records/9", {"id": 9, "metadata": {}, "files": rows})
    ran = run_cli("plan", site.url("/records/9"), "--json")
    assert (ran.code, ran.events[-1]["assets"], ran.events[-1]["items"]) == (0, 100_000, 100_000)
