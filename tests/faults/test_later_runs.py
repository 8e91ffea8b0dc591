"""Runs after the first: what moved, expired or shrank meanwhile, and what must not be asked again."""

import json
import random

import pytest

from support.hostile_names import HOSTILE
from support.mirrored import Mirrored, asset_requests, publish
from support.server import Cut, Status, tif
from support.stac_server import Api, answer, sizes_and_digests, stac_item, static_catalog

BODY = tif(20_000)


def items_file(path, items):
    path.write_text("".join(json.dumps(item) + "\n" for item in items))
    return path


def test_hostile_names_keep_their_places_in_whatever_order_they_are_listed(run_cli, site, dest):
    items = [stac_item(name, data=site.put(f"/{n}.tif", tif(1000, n))) for n, name in enumerate(HOSTILE)]
    path = items_file(dest.parent / "items.ndjson", items)
    assert run_cli("mirror", path, dest, "--allow-private").code == 0
    before = Mirrored(dest).files
    for seed in range(2):
        random.Random(seed).shuffle(items)
        items_file(path, items)
        assert run_cli("mirror", path, dest, "--allow-private").code == 0
    mirror = Mirrored(dest)
    mirror.check(0)
    assert mirror.files == before and len(asset_requests(site)) == len(HOSTILE)


def test_a_smaller_selection_is_proven_for_itself_and_deletes_nothing(run_cli, site, dest):
    url = static_catalog(site, publish(site, ["one", "two", "three"]))
    assert run_cli("mirror", url, dest).code == 0
    assert run_cli("mirror", url, dest, "--ids", "one").code == 0
    mirror = Mirrored(dest)
    assert len(mirror.files) == 3
    assert mirror.receipt["assets"]["selected"] == mirror.receipt["assets"]["verified_size"] == 1
    assert run_cli("verify", dest).code == 0
    assert len(asset_requests(site)) == 3


def test_an_item_that_left_the_catalogue_stays_on_disk(run_cli, site, dest):
    items = publish(site, ["one", "two"])
    url = static_catalog(site, items)
    assert run_cli("mirror", url, dest).code == 0
    static_catalog(site, items[:1])
    assert run_cli("mirror", url, dest).code == 0
    assert set(Mirrored(dest).files) == {"c1/one/data.tif", "c1/two/data.tif"}
    assert run_cli("verify", dest).code == 0


def test_new_items_are_added_to_what_is_there(run_cli, site, dest):
    items = publish(site, ["one", "two", "three"])
    url = static_catalog(site, items[:1])
    assert run_cli("mirror", url, dest).code == 0
    static_catalog(site, items)
    assert run_cli("mirror", url, dest).code == 0
    Mirrored(dest).check(0)
    assert [site.count(f"/{name}.tif") for name in ("one", "two", "three")] == [1, 1, 1]


def test_a_failure_of_the_first_run_is_made_good_by_the_second(run_cli, site, dest):
    items = publish(site, ["one", "two"])
    site.things["/two.tif"].faults.extend([Status(404)] * 2)
    url = static_catalog(site, items)
    assert run_cli("mirror", url, dest).code == 4
    while site.things["/two.tif"].faults:
        site.things["/two.tif"].faults.popleft()
    assert run_cli("mirror", url, dest).code == 0
    mirror = Mirrored(dest)
    mirror.check(0)
    assert mirror.href("two") == "./data.tif"


def test_a_mirror_that_moved_to_another_server_is_not_fetched_again_where_digests_prove_it(
    run_cli, troubled_thread, site, dest
):
    def catalog(host):
        asset = {"href": host.put("/one.tif", BODY), **sizes_and_digests(BODY)}
        return static_catalog(host, [stac_item("one", data=asset)])

    assert run_cli("mirror", catalog(site), dest).code == 0
    other = troubled_thread.site()
    assert run_cli("mirror", catalog(other), dest).code == 0
    Mirrored(dest).check(0)


def test_files_that_are_there_without_a_ledger_are_kept_where_a_digest_proves_them(run_cli, site, dest):
    items = [
        stac_item(name, data={"href": site.put(f"/{name}.tif", BODY), **sizes_and_digests(BODY)})
        for name in ("right", "wrong")
    ]
    for name, body in (("right", BODY), ("wrong", b"II*\0" + bytes(19_996))):
        (dest / f"c1/{name}").mkdir(parents=True)
        (dest / f"c1/{name}/data.tif").write_bytes(body)
    ended = run_cli("mirror", static_catalog(site, items), dest)
    assert ended.code == 0, ended.err
    mirror = Mirrored(dest)
    mirror.check(0)
    assert mirror.files == {"c1/right/data.tif": BODY, "c1/wrong/data.tif": BODY}
    assert site.count("/right.tif") == 0


class Signing:
    """An API whose items carry hrefs that are good for a while; `now` is the signature that is."""

    def __init__(self, site, names, **about):
        self.now = 1
        self.site = site
        self.names = names
        self.api = Api(site, self.items(), 10)
        for name in names:
            site.put(f"/signed/{name}.tif", BODY, **about)
            site.route(f"/stac/collections/c1/items/{name}", self.item)
        site.route("/stac/collections/c1/items", self.page)

    def items(self):
        query = f"se=2020-01-01&sig=CANARY{self.now}"
        return [stac_item(n, data=self.site.url(f"/signed/{n}.tif?{query}")) for n in self.names]

    def item(self, seen):
        [one] = [one for one in self.items() if seen.path.endswith("/" + one["id"])]
        return answer(one)

    def page(self, seen):
        return answer({"type": "FeatureCollection", "features": self.items(), "links": []})

    def expire(self):
        """The old signatures are refused from now on, new ones are to be had."""
        self.now += 1
        for name in self.names:
            old = f"/signed/{name}.tif?se=2020-01-01&sig=CANARY{self.now - 1}"
            self.site.put(old, always=[Status(403, body=b"<Error><Code>ExpiredToken</Code></Error>")])


def test_hrefs_that_expired_since_the_listing_are_asked_for_anew(run_cli, site, dest):
    signing = Signing(site, ["one", "two"])
    listed = site.things["/stac/collections/c1/items"]

    def expired(seen):
        page = signing.page(seen)
        signing.expire()
        return page

    site.routes["/stac/collections/c1/items"] = expired
    ended = run_cli("mirror", signing.api.url, dest, "-c", "c1")
    assert listed and ended.code == 0, ended.err
    mirror = Mirrored(dest)
    mirror.check(0)
    assert list(mirror.files.values()) == [BODY, BODY]
    assert not [p for p in dest.rglob("*") if p.is_file() and b"CANARY" in p.read_bytes()]


def test_hrefs_that_are_new_in_every_listing_are_the_same_files(run_cli, site, dest):
    signing = Signing(site, ["one", "two"])
    for _ in range(2):
        assert run_cli("mirror", signing.api.url, dest, "-c", "c1").code == 0
        signing.expire()
    assert site.count("/signed/one.tif") == site.count("/signed/two.tif") == 1
    Mirrored(dest).check(0)


def test_a_transfer_that_was_cut_is_resumed_with_a_new_signature(run_cli, site, dest):
    signing = Signing(site, ["one"], etag='"1"')
    body = tif(600_000)
    site.things["/signed/one.tif"].body = body
    site.things["/signed/one.tif"].faults.append(Cut(400_000))
    assert run_cli("mirror", signing.api.url, dest, "-c", "c1", "-R", 0).code == 5
    signing.expire()
    assert run_cli("mirror", signing.api.url, dest, "-c", "c1").code == 0
    assert Mirrored(dest).bytes_of("one") == body
    assert site.requests["/signed/one.tif"][-1].headers["range"] == "bytes=400000-"


@pytest.mark.parametrize("later", ["1000000000", "99999999999999999999", "-5", "١٢", "soon"])
def test_a_retry_after_out_of_all_bounds_is_not_waited_for(run_cli, site, dest, later):
    items = publish(site, ["one"])
    site.things["/one.tif"].faults.append(Status(429, retry_after=later))
    ended = run_cli("mirror", static_catalog(site, items), dest, timeout=60)
    assert ended.code in (0, 5), ended.err
    assert ended.code == 0 or later == "1000000000"


@pytest.mark.parametrize(
    "words",
    [
        ["--durability", "full"],
        ["--verify", "size"],
        ["--verify", "checksum"],
        ["--verify", "deep"],
        ["--asset-hrefs", "absolute"],
        ["-p", "all/${year}/${collection}-${id}-${key}${ext}"],
        ["-p", "${filename}"],
        ["-j", "1", "--max-per-host", "1"],
        ["--min-speed", "0"],
    ],
    ids=" ".join,
)
def test_no_option_changes_what_a_complete_mirror_is(run_cli, site, dest, words):
    names = ["one", "two", "three"]
    url = static_catalog(site, publish(site, names))
    for _ in range(2):
        ended = run_cli("mirror", url, dest, *words)
        assert ended.code == 0, ended.err
    mirror = Mirrored(dest)
    mirror.check(0)
    assert sorted(mirror.files.values()) == sorted(tif(20_000, n) for n in range(3))
    assert [site.count(f"/{name}.tif") for name in names] == [1, 1, 1]
    assert run_cli("verify", dest).code == 0


def test_two_assets_that_want_one_place_both_get_one(run_cli, site, dest):
    url = static_catalog(site, publish(site, ["one", "two"]))
    ended = run_cli("mirror", url, dest, "-p", "data${ext}")
    assert ended.code == 0, ended.err
    mirror = Mirrored(dest)
    mirror.check(0)
    assert sorted(mirror.files.values()) == sorted([tif(20_000, 0), tif(20_000, 1)])


def test_a_limit_on_time_ends_in_8_and_the_next_run_goes_on(run_cli, site, dest):
    names = [f"i{n}" for n in range(6)]
    items = publish(site, names)
    for name in names[2:]:
        site.things[f"/{name}.tif"].faults.append(Status(503, retry_after=30))
    url = static_catalog(site, items)
    ended = run_cli("mirror", url, dest, "--max-duration", "1", timeout=60)
    assert ended.code == 8, ended.err
    for name in names:
        site.things[f"/{name}.tif"].faults.clear()
    assert run_cli("mirror", url, dest).code == 0
    Mirrored(dest).check(0)
