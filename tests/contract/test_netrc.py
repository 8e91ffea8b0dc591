"""--netrc on real requests: which host receives the password, and when."""

import base64

import pytest

from support.one_request import ask

PASSWORD = "Basic " + base64.b64encode(b"carol:CANARY-3").decode()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "netrc"
    path.write_text("machine 127.0.0.1 login carol password CANARY-3\ndefault login eve password CANARY-4\n")
    path.chmod(0o600)
    return path


async def test_an_entry_is_sent_only_with_netrc_and_only_to_its_host(troubled, file):
    here, there = await troubled.site(), await troubled.site("localhost")
    here.redirect("/x", there.url("/y"))
    there.put("/y", b"end")
    environ = {"NETRC": str(file)}
    await ask(here.url(), here.url("/x"), environ=environ)
    await ask(here.url(), here.url("/x"), environ=environ, netrc=True)
    assert [seen.headers.get("authorization") for seen in here.log] == [None, PASSWORD]
    assert "authorization" not in str(there.log)


async def test_a_given_header_replaces_an_entry(troubled, file):
    site = await troubled.site()
    site.put("/x", b"end")
    given = {"netrc": True, "headers": (("authorization", "Bearer mine"),)}
    await ask(site.url(), site.url("/x"), environ={"NETRC": str(file)}, **given)
    assert site.log[0].headers["authorization"] == "Bearer mine"
