"""--proxy: used when asked for alone, told its own password, and nobody behind it is."""

import asyncio
import base64

import pytest

from mlhub_async.core.errors import TransferError, UsageError
from support.mirrored import Mirrored, publish
from support.one_request import ALL, CANARY, SECRETS, ask, told
from support.proxy import Gateway
from support.stac_server import static_catalog

WANTED = "Basic " + base64.b64encode(b"me:PROXY-CANARY/\xc3\xa9").decode()
PASSWORD = "me:PROXY-CANARY%2F%C3%A9"


@pytest.fixture
async def proxy():
    async with Gateway(WANTED) as gateway:
        yield gateway


async def test_an_http_request_goes_through_the_proxy_without_its_password(troubled, proxy):
    site = await troubled.site()
    site.redirect("/x", "/y")
    site.put("/y", b"end")
    given = f"http://{PASSWORD}@{proxy.place}"
    assert await ask(site.url(), site.url("/x"), proxy=given, **SECRETS) == b"end"
    assert [seen.target.partition("?")[0] for seen in proxy.log] == [site.url("/x"), site.url("/y")]
    assert [told(seen) for seen in site.log] == [ALL, ALL]
    assert "PROXY" not in str(site.log) and WANTED not in str(site.log)


async def test_an_https_request_goes_through_a_tunnel(troubled, proxy, authority):
    site = await troubled.site("localhost", authority.context())
    site.put("/x", b"end")
    given = {"proxy": f"http://{PASSWORD}@{proxy.place}", "ca_file": str(authority.pem)}
    assert await ask(site.url(), site.url("/x"), **given, **SECRETS) == b"end"
    assert [(seen.method, seen.target) for seen in proxy.log] == [("CONNECT", f"localhost:{site.port}")]
    assert CANARY not in str(proxy.log)
    assert told(site.log[0]) == ALL and "proxy-authorization" not in site.log[0].headers


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_a_mirror_is_made_through_it_by_the_program(run_cli, troubled, proxy, authority, dest, tls):
    site = await troubled.site("localhost", authority.context() if tls else None)
    url = static_catalog(site, publish(site, ["one", "two"]))
    words = ["--proxy", f"http://{PASSWORD}@{proxy.place}", "--ca-file", authority.pem, "-vv", "--json"]
    ended = await asyncio.to_thread(run_cli, "mirror", url, dest, *words)
    assert ended.code == 0, ended.err
    Mirrored(dest).check(0)
    assert len(proxy.log) > 0 and "PROXY" not in str(site.log)
    written = b"".join(path.read_bytes() for path in dest.rglob("*") if path.is_file())
    assert "CANARY" not in ended.out + ended.err and b"CANARY" not in written


async def test_names_are_looked_up_by_the_proxy_but_a_literal_address_is_still_checked(troubled, proxy):
    site = await troubled.site()
    site.put("/x", b"end")
    given = f"http://{PASSWORD}@{proxy.place}"
    place = f"http://no-such-name.test:{site.port}"
    assert await ask(f"{place}/", f"{place}/x", proxy=given) == b"end"
    for host in ("127.0.0.1", "169.254.169.254", "localhost"):
        with pytest.raises(TransferError) as error:
            await ask(f"{place}/", f"http://{host}:{site.port}/x", proxy=given)
        assert error.value.kind == "private-address"
    assert len(proxy.log) == 1


async def test_only_requests_to_azure_name_a_version_of_its_api(troubled):
    site = await troubled.site()
    site.put("/x", b"end")
    async with Gateway() as proxy:
        for name in ("chips.blob.core.windows.net", "blob.core.windows.net.test"):
            place = f"http://{name}:{site.port}"
            assert await ask(f"{place}/", f"{place}/x", proxy=f"http://{proxy.place}") == b"end"
    assert [seen.headers.get("x-ms-version") for seen in site.log] == ["2021-06-08", None]


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("status", [407, 403])
async def test_a_refusal_of_the_proxy_is_reported_without_its_password(scheme, status):
    async with Gateway(answers=status) as gateway:
        given = f"http://{PASSWORD}@{gateway.place}"
        with pytest.raises(TransferError) as error:
            await ask(f"{scheme}://x.test/", f"{scheme}://x.test/a", proxy=given, **SECRETS)
    assert "CANARY" not in str(error.value) and str(status) in f"{error.value.status}"
    if status == 407:
        assert error.value.kind == "proxy" and not error.value.retryable


async def test_an_unreachable_proxy_is_reported_as_such(troubled):
    async with Gateway() as gone:
        given = f"http://{PASSWORD}@{gone.place}"
    with pytest.raises(TransferError, match="proxy not reached") as error:
        await ask("http://x.test/", "http://x.test/a", proxy=given)
    assert error.value.kind == "proxy" and error.value.retryable and "CANARY" not in str(error.value)


async def test_proxies_of_the_environment_are_ignored(troubled, proxy, monkeypatch):
    site = await troubled.site()
    site.put("/x", b"end")
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://{proxy.place}")
    assert await ask(site.url(), site.url("/x")) == b"end"
    assert proxy.log == []


@pytest.mark.parametrize(
    "given",
    [
        "p:3128",
        "socks5://CANARY@p:1",
        "https://p:1",
        "http://",
        "http://CANARY@p:1",
        "http://me:CANARY@p:1/path",
        "http://me:CANARY@p:1?x",
        "http://me:CANARY@p:99999",
        "http://me:CANARY@",
        "",
    ],
)
async def test_an_invalid_proxy_is_a_usage_error_that_does_not_quote_it(given):
    with pytest.raises(UsageError, match="--proxy must be like") as error:
        await ask("http://x.test/", "http://x.test/a", proxy=given)
    assert "CANARY" not in str(error.value)
