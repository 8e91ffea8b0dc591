"""Where a catalogue may send us: the addresses that are really connected to, whatever name they have."""

import socket

import pytest

from mlhub_async.core.errors import TransferError
from support.one_request import ask

LOOPBACK = "127.0.0.1"
OUT_OF_REACH = [
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "224.0.0.1",
    "0.0.0.0",
    "255.255.255.255",
    "[::]",
    "[fe80::1]",
    "[fd00:ec2::254]",
    "[ff02::1]",
    "[::ffff:10.0.0.1]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::a00:1]",
    "[2002:a00:1::]",
    "[::10.0.0.1]",
]
NUMBERS = ["2130706433", "0x7f000001", "127.1", "0x7f.1", "0177.0.0.1", "127.0.0.1.", "017700000001", "1"]
LOCAL = ["127.0.0.1", "127.8.8.8", "[::1]", "[::ffff:127.0.0.1]", "localhost", "a.localhost", "LOCALHOST."]


@pytest.fixture
def names(monkeypatch):
    """What the system's resolver answers: a list of answers for each name, the last one for ever."""
    answers, asked = {}, []
    real = socket.getaddrinfo

    def looked_up(host, port, *more, **named):
        if host not in answers:
            return real(host, port, *more, **named)
        asked.append(host)
        found = answers[host].pop(0) if len(answers[host]) > 1 else answers[host][0]
        return [entry for one in found for entry in real(one, port, *more, **named)]

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    answers["asked"] = asked
    return answers


@pytest.fixture
async def site(troubled):
    site = await troubled.site()
    site.put("/x", b"end")
    return site


async def refused(source, url, **options):
    with pytest.raises(TransferError) as error:
        await ask(source, url, **options)
    assert not error.value.retryable
    return error.value


@pytest.mark.parametrize("host", OUT_OF_REACH)
async def test_a_literal_address_of_another_class_than_the_root_is_not_requested(site, host):
    for url in (f"http://{host}/x", f"https://{host}:{site.port}/x"):
        site.redirect("/r", url)
        for asked in (url, site.url("/r")):
            error = await refused(site.url(), asked)
            assert error.kind == "private-address" and "--allow-private" in error.message
    assert {seen.path for seen in site.log} == {"/r"}


@pytest.mark.parametrize("host", LOCAL)
async def test_a_remote_catalogue_cannot_refer_to_loopback(site, host):
    error = await refused("https://catalogue.test/", f"http://{host}:{site.port}/x")
    assert error.kind == "private-address" and site.connections == 0


@pytest.mark.parametrize("host", NUMBERS)
async def test_an_address_in_an_unusual_notation_is_refused(site, host):
    site.redirect("/r", f"http://{host}:{site.port}/x")
    assert (await refused(site.url(), site.url("/r"))).kind == "redirect-refused"
    assert (await refused(site.url(), f"http://{host}:{site.port}/x")).kind == "bad-href"


@pytest.mark.parametrize("address", ["10.0.0.1", "169.254.169.254", "fd00::1", "::ffff:10.0.0.1"])
async def test_a_host_name_is_checked_by_its_address(site, names, address):
    names["evil.test"] = [[address]]
    assert (await refused(site.url(), f"http://evil.test:{site.port}/x")).kind == "private-address"


async def test_one_refused_address_of_a_name_is_enough_to_refuse_it(site, names):
    names["evil.test"] = [[LOOPBACK, "10.0.0.1"]]
    site.redirect("/r", f"http://evil.test:{site.port}/x")
    assert (await refused(site.url(), site.url("/r"))).kind == "private-address"
    assert [seen.path for seen in site.log] == ["/r"]


async def test_a_name_that_changes_its_address_is_checked_each_time_it_is_looked_up(troubled, site, names):
    other = await troubled.site()
    other.put("/x", b"end")
    names["evil.test"] = [[LOOPBACK], ["10.0.0.1"]]
    site.redirect("/1", f"http://evil.test:{site.port}/2")
    site.redirect("/2", f"http://evil.test:{other.port}/x")
    assert (await refused(site.url(), site.url("/1"))).kind == "private-address"
    assert [seen.path for seen in site.log] == ["/1", "/2"] and other.log == []
    assert names["asked"] == ["evil.test"] * 2


async def test_the_checked_address_is_the_one_that_is_connected_to(site, names):
    """One look-up for check and connection: a second one could bring another answer."""
    names["good.test"] = [[LOOPBACK], ["10.0.0.1"]]
    assert await ask(f"http://good.test:{site.port}/", f"http://good.test:{site.port}/x") == b"end"
    assert names["asked"] == ["good.test"]


@pytest.mark.parametrize("how", ["allow_private", "allow_origins"])
async def test_the_user_may_permit_it(site, names, how):
    names["root.test"], names["evil.test"] = [["93.184.216.34"]], [[LOOPBACK]]
    place = f"http://evil.test:{site.port}"
    assert (await refused("http://root.test/", f"{place}/x")).kind == "private-address"
    permitted = {"allow_private": True, "allow_origins": (place,)}[how]
    assert await ask("http://root.test/", f"{place}/x", **{how: permitted}) == b"end"


async def test_a_root_may_have_any_address_and_refer_to_others_of_its_class(troubled, site, names):
    names["root.test"], names["like.test"] = [[LOOPBACK]], [["127.0.0.9", LOOPBACK]]
    other = await troubled.site()
    other.put("/x", b"end")
    site.redirect("/r", f"http://like.test:{other.port}/x")
    root = f"http://root.test:{site.port}"
    assert await ask(f"{root}/", f"{root}/r") == b"end"


async def test_a_local_catalogue_may_refer_to_loopback_but_not_to_private_addresses(site, tmp_path):
    source = str(tmp_path)
    (tmp_path / "catalog.json").write_text("{}")
    assert await ask(source, site.url("/x")) == b"end"
    assert (await refused(source, "http://10.0.0.1/x")).kind == "private-address"


async def test_no_local_file_is_read_for_a_remote_catalogue(site, tmp_path):
    (tmp_path / "x").write_bytes(b"secret")
    assert (await refused(site.url(), (tmp_path / "x").as_uri())).kind == "outside-root"
