"""Hostile and unusual hrefs in whole runs: nothing is read or requested but the files of the catalogue."""

import json
import os
import sys

import pytest

from support.engine import run
from support.mirrored import Mirrored, asset_requests, publish
from support.server import Status, tif
from support.stac_server import Api, stac_item, static_catalog, static_catalog_files
from support.wire_format import Reply

SECRET = b"CANARY of a file that is nobody's business"


@pytest.fixture
async def site(troubled):
    return await troubled.site()


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret.tif"
    path.write_bytes(SECRET)
    return path


def files_with_secret(dest):
    """The files below DEST that hold the canary."""
    return [path for path in dest.rglob("*") if path.is_file() and SECRET in path.read_bytes()]


@pytest.mark.parametrize("assets", [None, [], {}, "left out"], ids=str)
async def test_an_item_without_assets_is_kept_and_no_failure(site, dest, assets):
    bare = {**stac_item("bare"), "assets": assets}
    if assets == "left out":
        del bare["assets"]
    report = await run(static_catalog(site, [bare, *publish(site, ["one"])]), dest)
    assert (report.exit_code, report.selected) == (0, 1)
    Mirrored(dest).check(0)
    assert Mirrored(dest).item("bare")["id"] == "bare"
    assert Mirrored(dest).bytes_of("one") == tif(20_000)


REFUSED = {
    "data": ("data:image/tiff;base64,SUkqAA==", "unsupported-scheme"),
    "no bucket": ("s3:///x.tif", "bad-href"),
    "no account": ("az://an-account-of-azure/container/x.tif", "bad-href"),
    "signed key": ("gs://bucket/x.tif?X-Goog-Signature=5", "bad-href"),
    "ftp": ("ftp://127.0.0.1/x.tif", "unsupported-scheme"),
    "script": ("javascript:alert(1)", "unsupported-scheme"),
    "drive": ("C:\\secret.tif", "unsupported-scheme"),
    "file": ("file://{secret}", "outside-root"),
    "file on localhost": ("file://localhost{secret}", "outside-root"),
    "file elsewhere": ("file://server{secret}", "bad-href"),
    "share": ("\\\\server\\share\\x.tif", "bad-href"),
    "two hosts": ("http://{authority}\\@evil.test/x.tif", "bad-href"),
    "password": ("http://u:p@{authority}/x.tif", "bad-href"),
    "one slash": ("http:/{authority}/x.tif", "bad-href"),
    "port 0": ("http://127.0.0.1:0/x.tif", "bad-href"),
    "host of letters like ours": ("http://\uff45vil.test/x.tif", "bad-href"),
    "carriage return": ("http://{authority}/x.tif\r\nX-Evil: 1", "bad-href"),
    "tab": ("http://{authority}/x\t.tif", "bad-href"),
    "DEL": ("http://{authority}/x\x7f.tif", "bad-href"),
}


async def test_an_unusable_href_fails_its_asset_before_any_request(site, dest, secret):
    authority = site.origin.removeprefix("http://")
    filled = {
        name: (href.replace("{secret}", secret.as_posix()).replace("{authority}", authority), kind)
        for name, (href, kind) in REFUSED.items()
    }
    items = [stac_item(name, data=href) for name, (href, _) in filled.items()]
    report = await run(static_catalog(site, [*items, *publish(site, ["one"])]), dest)
    assert report.exit_code == 4
    mirror = Mirrored(dest)
    mirror.check(4)
    assert mirror.failed == {name: kind for name, (_, kind) in filled.items()}
    assert [seen.path for seen in asset_requests(site)] == ["/one.tif"] and "x-evil" not in str(site.log)
    assert mirror.bytes_of("one") == tif(20_000) and files_with_secret(dest) == []


async def test_an_absolute_path_as_href_is_a_path_of_the_server_and_no_local_file(site, dest, secret):
    items = [stac_item("absolute", data=secret.as_posix()), stac_item("passwd", data="/etc/passwd")]
    report = await run(static_catalog(site, items), dest)
    assert report.exit_code == 4 and set(Mirrored(dest).failed.values()) == {"not-found"}
    assert site.count(secret.as_posix()) == site.count("/etc/passwd") == 1 and files_with_secret(dest) == []


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX links and paths")
async def test_a_catalogue_on_disk_opens_no_file_outside_its_folder(tmp_path, dest, secret):
    folder = tmp_path / "catalogue"
    hrefs = {
        "up": "../../../secret.tif",
        "up in disguise": "%2e%2e/%2e%2e/%2e%2e/secret.tif",
        "absolute": secret.as_posix(),
        "url": secret.as_uri(),
        "link": "./link.tif",
        "linked folder": "./linked/secret.tif",
    }
    items = [stac_item(name, data=href) for name, href in hrefs.items()]
    static_catalog_files(folder, [*items, stac_item("inside", data="../inside.tif")])
    (folder / "c1/inside.tif").write_bytes(tif(100))
    for number, name in enumerate(hrefs):
        if name.startswith("link"):
            os.symlink(secret, folder / f"c1/i{number}/link.tif")
            os.symlink(tmp_path, folder / f"c1/i{number}/linked")
    report = await run(str(folder / "catalog.json"), dest)
    assert report.exit_code == 4
    mirror = Mirrored(dest)
    mirror.check(4)
    assert mirror.failed == dict.fromkeys(hrefs, "outside-root") and files_with_secret(dest) == []
    assert mirror.bytes_of("inside") == tif(100)


ON_THE_WIRE = {
    "/a b.tif": "/a%20b.tif",
    "/é.tif": "/%C3%A9.tif",
    "/100%.tif": "/100%25.tif",
    "/%41%7E%2F.tif": "/%41%7E%2F.tif",
    "/x.tif?sig=a%2Bb%3D&q=1+2 3": "/x.tif?sig=a%2Bb%3D&q=1+2%203",
    "/x.tif#part": "/x.tif",
    '/"<>^`{|}.tif': "/%22%3C%3E%5E%60%7B%7C%7D.tif",
    "//double//slash.tif": "//double//slash.tif",
}


@pytest.mark.parametrize("transport", ["fast", "aiohttp"])
async def test_legal_characters_of_an_href_are_sent_unchanged_and_others_encoded(site, dest, transport):
    items = []
    for number, (written, target) in enumerate(ON_THE_WIRE.items()):
        site.put(target, tif(1000, number))
        items.append(stac_item(f"i{number}", data=site.url(written)))
    assert (await run(items, dest, transport=transport)).exit_code == 0
    assert sorted(seen.target for seen in site.log) == sorted(ON_THE_WIRE.values())
    for number in range(len(ON_THE_WIRE)):
        assert Mirrored(dest).bytes_of(f"i{number}") == tif(1000, number)


async def test_relative_hrefs_are_relative_to_the_page_or_to_a_self_link_on_its_origin(troubled, site, dest):
    other = await troubled.site()
    items = [stac_item(name, data=f"./{name}.tif") for name in ("here", "deep", "evil")]
    items[1]["links"] = [{"rel": "self", "href": site.url("/deep/down/deep.json")}]
    items[2]["links"] = [{"rel": "self", "href": other.url("/evil.json")}]
    wanted = ["/stac/collections/c1/here.tif", "/deep/down/deep.tif", "/stac/collections/c1/evil.tif"]
    for number, path in enumerate(wanted):
        site.put(path, tif(1000, number))
    assert (await run(Api(site, items).url, dest, "c1")).exit_code == 0
    assert sorted(seen.path for seen in asset_requests(site)) == sorted(wanted) and other.log == []
    assert [Mirrored(dest).bytes_of(name) for name in ("here", "deep", "evil")] == [
        tif(1000, number) for number in range(3)
    ]


async def test_the_same_id_in_two_collections_and_in_none_is_three_items(site, dest):
    collections = ("c1", "c2", None)
    items = [
        stac_item("same", one, data=site.put(f"/{n}.tif", tif(1000, n))) for n, one in enumerate(collections)
    ]
    assert (await run(items, dest)).exit_code == 0
    mirror = Mirrored(dest)
    mirror.check(0)
    assert sorted(mirror.files.values()) == sorted(tif(1000, n) for n in range(3))
    assert mirror.bytes_of("same") == tif(1000, 0)
    assert mirror.bytes_of("same", collection="c2") == tif(1000, 1)


async def test_assets_of_the_same_file_name_keep_their_own_bytes(site, dest):
    one, two = site.put("/a/legend.csv", b"a,1\n"), site.put("/b/legend.csv", b"b,2\n")
    hrefs = {"i1": one, "i2": two, "i3": one}
    assert (await run([stac_item(name, legend=href) for name, href in hrefs.items()], dest)).exit_code == 0
    mirror = Mirrored(dest)
    mirror.check(0)
    assert [mirror.bytes_of(name, "legend") for name in hrefs] == [b"a,1\n", b"b,2\n", b"a,1\n"]
    assert site.count("/a/legend.csv") == site.count("/b/legend.csv") == 1


@pytest.mark.parametrize("name", ["session", "key", "jwt", "auth", "sig", "access_token"])
@pytest.mark.parametrize("way", ["at once", "by a redirect"])
async def test_files_whose_urls_differ_in_a_parameter_like_a_credential_keep_their_own_bytes(
    troubled, site, dest, name, way
):
    bodies, store = [tif(1000, number) for number in range(3)], await troubled.site()
    store.route("/get", lambda seen: Reply(body=bodies[int(seen.target[-1])]))
    hrefs = [store.url(f"/get?{name}=a/{number}") for number in range(3)]
    if way == "by a redirect":
        hrefs = [site.redirect(f"/{number}.tif", href) for number, href in enumerate(hrefs)]
    items = [stac_item(str(number), data=href) for number, href in enumerate(hrefs)]
    assert (await run(items, dest)).exit_code == 0
    mirror = Mirrored(dest)
    mirror.check(0)
    assert [mirror.bytes_of(str(number)) for number in range(3)] == bodies


@pytest.mark.parametrize(
    "path", ["../../x.tif", "/tmp/x.tif", "C:\\x.tif", ".mlhub/ledger.sqlite", "two/data.tif"]
)
async def test_paths_that_a_catalogue_proposes_for_a_file_are_not_used(site, dest, path):
    items = publish(site, ["one", "two"])
    items[0]["assets"]["data"]["file:local_path"] = path
    assert (await run(items, dest)).exit_code == 0
    mirror = Mirrored(dest)
    mirror.check(0)
    assert mirror.files == {"c1/one/data.tif": tif(20_000, 0), "c1/two/data.tif": tif(20_000, 1)}
    assert sorted(path.name for path in dest.parent.iterdir()) == ["dest"]


async def test_an_alternate_href_is_fetched_where_the_first_fails_for_good(troubled, site, dest):
    other = await troubled.site()
    items = publish(site, ["one"], always=[Status(404)])
    spare = other.put("/spare.tif", tif(20_000, 5))
    items[0]["assets"]["data"]["alternate"] = {"spare": {"href": spare}}
    assert (await run(items, dest)).exit_code == 0
    assert Mirrored(dest).bytes_of("one") == tif(20_000, 5) and other.count("/spare.tif") == 1
    assert Mirrored(dest).item("one")["assets"]["data"]["alternate"]["spare"]["href"] == spare


ABOUT = {"type": "Catalog", "stac_version": "1.0.0", "description": "A tangle"}


async def test_catalogues_in_circles_and_diamonds_are_read_once_each(site, dest):
    items = publish(site, ["one"])
    site.json("/i/one.json", items[0])
    links = {
        "root": [("child", "/left.json"), ("child", "/right.json?"), ("child", "/root.json")],
        "left": [
            ("item", "i/one.json"),
            ("child", "./both.json"),
            ("child", "/root.json#again"),
            ("parent", "/root.json"),
        ],
        "right": [("child", "x/../both.json"), ("child", "/left.json")],
        "both": [
            ("item", "/i/one.json"),
            ("item", "/i/one.json"),
            ("child", "/right.json"),
            ("child", "/both.json"),
        ],
    }
    for name, led in links.items():
        body = {**ABOUT, "id": name, "links": [{"rel": rel, "href": href} for rel, href in led]}
        site.json(f"/{name}.json", body)
    report = await run(site.url("/root.json"), dest)
    assert report.exit_code == 0, report.flaws
    Mirrored(dest).check(0)
    read = [seen.path for seen in site.log if seen.path in {f"/{name}.json" for name in links}]
    assert sorted(read) == ["/both.json", "/left.json", "/right.json", "/root.json"]
    assert site.count("/i/one.json") == 1
    assert site.count("/one.tif") == 1 and report.listing.unique == 1


async def test_child_links_to_files_and_other_hosts_are_reported_and_not_read(troubled, site, dest, tmp_path):
    other = await troubled.site()
    static_catalog(other, publish(other, ["away"]))
    static_catalog_files(tmp_path / "local", [stac_item("local")])
    child = static_catalog(site, publish(site, ["one"]))
    hrefs = [
        child,
        other.url("/static/catalog.json"),
        (tmp_path / "local/catalog.json").as_uri(),
        (tmp_path / "local/catalog.json").as_posix(),
        "s3://bucket/catalog.json",
    ]
    body = {**ABOUT, "id": "root", "links": [{"rel": "child", "href": href} for href in hrefs]}
    report = await run(site.json("/root.json", body), dest)
    assert report.exit_code == 4 and other.log == []
    Mirrored(dest).check(4)
    assert Mirrored(dest).bytes_of("one") == tif(20_000) and len(Mirrored(dest).errors) == 4
    messages = json.dumps([row["error"]["message"] for row in Mirrored(dest).errors])
    assert f"--allow-origin {other.origin}" in messages and "leads on to a file" in messages
    assert not list(dest.rglob("local*")) and not list(dest.rglob("away*"))


async def test_a_mirror_of_a_mirror_finds_every_file_whatever_its_path(site, tmp_path):
    """Hrefs have names as they are on disk; the path of the mirror itself is encoded once."""
    items = [
        stac_item("100%/x", "a%20b c", **{"k%41": site.put("/1.tif", tif(2000, 1))}),
        stac_item("ü #1?", "a%20b c", **{"k": site.put("/2.tif", tif(2000, 2))}),
    ]
    first, second = tmp_path / "a%20b ü", tmp_path / "second"
    assert (await run(items, first)).ok
    report = await run(str(first), second)
    assert report.ok and report.fetched == 2
    assert Mirrored(second).files == Mirrored(first).files


async def test_a_missing_file_below_a_folder_with_a_percent_sign_is_missing(tmp_path, dest):
    """A folder with the undecoded name of the href has the file; it must not be taken from there."""
    folder = tmp_path / "a%20b"
    folder.mkdir()
    (folder / "one.json").write_text(json.dumps(stac_item("one", data="gone.tif", other="here%20.tif")))
    (folder / "here%20.tif").write_bytes(tif(2000))
    report = await run(str(folder / "one.json"), dest)
    (row,) = Mirrored(dest).errors
    assert (row["key"], row["error"]["class"], report.fetched) == ("data", "not-found", 1)
