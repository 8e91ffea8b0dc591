"""Keys that are refused, and files that are closed to keys that are good, in whole runs on real sockets."""

import asyncio

import pytest

from mlhub_async import RetryPolicy, mirror
from mlhub_async.core.errors import AccessLost
from mlhub_async.core.urls import Origin
from mlhub_async.http.auth.credentials import basic
from mlhub_async.http.resilience.circuit_breaker import (
    MAX_FINAL_REFUSALS_NEVER_GRANTED,
    MAX_FINAL_REFUSALS_ONCE_GRANTED,
    MAX_REFUSALS_NEVER_GRANTED,
    MAX_REFUSALS_ONCE_GRANTED,
    AccessMonitor,
)
from mlhub_async.http.resilience.gate import MAX_ORIGINS, OriginLimits
from support.engine import make_options, run
from support.mirrored import Mirrored, asset_requests, publish
from support.server import Delay, Reply, Status, until
from support.stac_server import static_catalog


def names(prefix, count):
    return [f"{prefix}{n}" for n in range(count)]


@pytest.fixture
async def site(troubled):
    return await troubled.site()


def login(tmp_path, password="CANARY-old"):
    """An environment in which there is a password for this machine."""
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login me password {password}\n")
    netrc.chmod(0o600)
    return {"NETRC": str(netrc)}


def keyed(site, key):
    """From now on only who sends this key is let in."""

    def answer(seen):
        thing = site.things[seen.path]
        let_in = seen.headers.get("x-key") == key
        return Reply(
            200 if let_in else 401, [("Content-Type", "image/tiff")], thing.body if let_in else b"no"
        )

    for path in [path for path in site.things if path.endswith(".tif")]:
        site.routes[path] = answer


async def test_a_key_that_is_refused_all_along_ends_the_run_in_3(site, dest):
    url = static_catalog(site, publish(site, names("i", 210)))
    keyed(site, "good")
    with pytest.raises(AccessLost, match="renew the key") as caught:
        await run(url, dest, concurrency=4, headers=(("X-Key", "CANARY-old"),))
    assert caught.value.exit_code == 3 and "CANARY" not in str(caught.value)
    assert len(asset_requests(site)) <= MAX_REFUSALS_ONCE_GRANTED + 8
    keyed(site, "CANARY-new")
    assert (await run(url, dest, headers=(("X-Key", "CANARY-new"),))).exit_code == 0
    Mirrored(dest).check(0)


@pytest.mark.parametrize(("count", "asked"), [(100, MAX_REFUSALS_NEVER_GRANTED + 8), (6, 6)])
async def test_few_requests_tell_a_key_that_never_got_anything(troubled, site, dest, tmp_path, count, asked):
    """All files are asked for where they are few: then two refusals to the last are enough."""
    url = static_catalog(await troubled.site(), publish(site, names("i", count)))
    keyed(site, "no key")
    options = make_options(concurrency=4, netrc=True, allow_private=True, allow_origins=(site.origin,))
    with pytest.raises(AccessLost):
        await mirror(url, dest, options, environ=login(tmp_path))
    assert len(asset_requests(site)) <= asked
    Mirrored(dest).check(3)
    assert set(Mirrored(dest).failed.values()) <= {"unauthorized", "unfinished"}


@pytest.mark.parametrize("count", [MAX_FINAL_REFUSALS_NEVER_GRANTED, MAX_REFUSALS_NEVER_GRANTED])
async def test_an_open_catalogue_is_no_reason_to_blame_the_files_for_a_key(site, dest, count):
    url = static_catalog(site, publish(site, names("i", count)))
    keyed(site, "no key")
    with pytest.raises(AccessLost):
        await run(url, dest, headers=(("X-Key", "k"),))
    Mirrored(dest).check(3)


@pytest.mark.parametrize("closed", [2, MAX_FINAL_REFUSALS_ONCE_GRANTED - 1])
async def test_files_that_are_closed_to_a_good_key_are_their_own_failure(site, dest, closed):
    """The last ones of the catalogue, which nothing follows that would be given out."""
    url = static_catalog(site, publish(site, [f"i{n:02}" for n in range(50)]))
    for n in range(50 - closed, 50):
        site.things[f"/i{n:02}.tif"].always = (Status(401),)
    report = await run(url, dest, concurrency=1, headers=(("X-Key", "k"),))
    assert report.exit_code == 4 and report.failures == closed
    assert set(Mirrored(dest).failed.values()) == {"unauthorized"}


async def test_a_key_that_expires_during_the_run_ends_it_in_3(site, dest):
    items = publish(site, [f"i{n:02}" for n in range(30)])
    url = site.json("/items.json", {"type": "FeatureCollection", "features": items})
    for n in range(30 - MAX_FINAL_REFUSALS_ONCE_GRANTED, 30):
        site.things[f"/i{n:02}.tif"].always = (Status(401),)
    with pytest.raises(AccessLost, match=f"{MAX_FINAL_REFUSALS_ONCE_GRANTED} times in a row: renew the key"):
        await run(url, dest, concurrency=1, headers=(("X-Key", "k"),))
    Mirrored(dest).check(3)
    assert len(Mirrored(dest).files) == 30 - MAX_FINAL_REFUSALS_ONCE_GRANTED


async def test_a_later_run_goes_past_the_files_that_are_closed_to_a_good_key(site, dest):
    """They are the first that it asks for, as all before them are here."""
    items = publish(site, [f"i{n:03}" for n in range(90)])
    for n in range(25):
        site.things[f"/i{n:03}.tif"].always = (Status(401),)
    for count in (40, 90):
        url = static_catalog(site, items[:count])
        report = await run(url, dest, concurrency=2, headers=(("X-Key", "k"),))
        assert report.exit_code == 4 and report.failures == 25
    assert len(Mirrored(dest).files) == 65


async def test_documents_that_are_closed_to_a_good_key_do_not_end_the_run(troubled, site, dest):
    """An API whose key is good for labels but not for all of their sources, and which holds no files."""
    files, labels = await troubled.site(), []
    for n, item in enumerate(publish(files, names("l", 40))):
        site.json(f"/src/{n}", publish(files, [f"s{n}"])[0], always=[Status(401)] * (n % 4 == 0))
        labels.append({**item, "links": [{"rel": "source", "href": site.url(f"/src/{n}")}]})
    url = site.json("/items.json", {"type": "FeatureCollection", "features": labels})
    report = await run(url, dest, headers=(("X-Key", "k"),), allow_origins=(files.origin,))
    assert report.failures == 0 and report.flaw_count == 10
    assert len(Mirrored(dest).files) == 70


async def test_a_key_that_was_replaced_during_the_run_is_read_again_once(site, dest, tmp_path):
    environ = login(tmp_path)
    items = publish(site, names("i", 60), always=[Delay(0.002)])
    url = static_catalog(site, items)
    now = basic("me", "CANARY-old").reveal()

    def answer(seen):
        if seen.headers.get("authorization") != now:
            return Reply(401, [], b"no")
        return Reply(200, [("Content-Type", "image/tiff")], site.things[seen.path].body)

    for path in [path for path in site.things if path.endswith(".tif")]:
        site.routes[path] = answer
    options = make_options(concurrency=4, netrc=True, allow_private=True, retry=RetryPolicy(attempts=1))
    going = asyncio.ensure_future(mirror(url, dest, options, environ=environ))
    await until(lambda: len(asset_requests(site)) > 20)
    login(tmp_path, "CANARY-new")
    now = basic("me", "CANARY-new").reveal()
    report = await going
    assert report.exit_code == 0, report.failed
    assert len(asset_requests(site)) <= 60 + 4


async def test_one_asset_that_wants_another_key_does_not_end_the_run(site, dest):
    items = publish(site, names("i", 20))
    site.things["/i3.tif"].always = (Status(401),)
    report = await run(static_catalog(site, items), dest, headers=(("X-Key", "k"),))
    assert report.exit_code == 4 and list(Mirrored(dest).failed) == ["i3"]


def test_a_host_that_refused_a_key_is_not_forgotten_for_the_many_that_come_after_it():
    limits = OriginLimits(4)
    limits.gate(Origin("https", "api.test", 443)).access.refuse_credentials(document=False)
    limits.gate(Origin("https", "api.test", 443)).access.refuse_credentials(document=False)
    for n in range(MAX_ORIGINS + 10):
        limits.gate(Origin("https", f"h{n}.test", 443))
    with pytest.raises(AccessLost, match="refused our credentials, 2 times"):
        limits.end()


@pytest.mark.parametrize("granted", [True, False])
def test_what_was_granted_once_is_remembered_as_long(granted):
    limits, host = OriginLimits(4), Origin("https", "api.test", 443)
    limits.gate(host).access.accept_credentials(document=granted)
    for n in range(MAX_ORIGINS + 10):
        limits.gate(Origin("https", f"h{n}.test", 443))
    for _ in range(3):
        limits.gate(host).access.refuse_credentials(document=granted)
    limits.end()


def test_a_key_that_once_was_good_is_given_up_after_two_hundred_refusals_in_a_row():
    access = AccessMonitor("h.test:80")
    for _ in range(3):
        access.accept_credentials(document=False)
        for _ in range(MAX_REFUSALS_ONCE_GRANTED - 1):
            access.refuse_credentials(document=False)
    with pytest.raises(AccessLost, match="200 times in a row"):
        access.refuse_credentials(document=False)
