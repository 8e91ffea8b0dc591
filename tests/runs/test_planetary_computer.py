"""Files of the Planetary Computer: one token per container, renewed when it ends, and written nowhere."""

import json
from urllib.parse import parse_qs

import pytest

from support.mirrored import Mirrored
from support.one_request import CANARY
from support.server import Cut, noise, tif
from support.stac_server import stac_item, static_catalog
from support.wire_format import Ask, Reply, content

KEY = f"{CANARY}-subscription"
TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"


class Issuer:
    """The token endpoint, and the containers of one account on `store`. Only the newest token is valid."""

    def __init__(self, site, store, containers=("naip",)):
        self.site, self.store = site, store
        self.issued = dict.fromkeys(containers, 0)
        self.status = 200
        for container in (*containers, "private"):
            site.route(f"/sas/{'account'}/{container}", lambda seen, name=container: self.token(seen, name))
        self.env = {"PC_SDK_SAS_URL": site.url("/sas"), "PC_SDK_SUBSCRIPTION_KEY": KEY}
        self.words = ("--auth", f"{store.origin}=planetary-computer", "--allow-private")

    def signature(self, container):
        return f"{CANARY}+{container}/{self.issued[container]}="

    def token(self, seen, container):
        if self.status != 200 or container not in self.issued:
            return Reply(self.status if self.status != 200 else 404, [], b"{}")
        self.issued[container] += 1
        text = self.signature(container).replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
        token = (
            f"st=2020-01-01T00%3A00%3A00Z&se=2040-01-01T00%3A00%3A00Z&sp=rl&sr=c&sktid={TENANT}&sig={text}"
        )
        body = {"msft:expiry": "2040-01-01T00:00:00Z", "token": token}
        return Reply(200, [("Content-Type", "application/json")], json.dumps(body).encode())

    def put(self, path, body, **about):
        """A blob that the newest token of its container gives access to."""
        path = f"/account/{path}"
        url = self.store.put(path, body, **about)
        thing, container = self.store.things[path], path.split("/")[2]

        def answer(seen):
            if parse_qs(seen.query).get("sig") != [self.signature(container)]:
                return Reply(403, [("x-ms-error-code", "AuthenticationFailed")], b"no")
            return content(Ask(dict(seen.headers), thing))

        self.store.route(path, answer, faults=about.get("faults", ()))
        return url


@pytest.fixture
def issuer(site, troubled_thread):
    return Issuer(site, troubled_thread.site(), ("naip", "cop-dem"))


def assert_secret(dest, issuer, *texts):
    """No token and no key anywhere but in the requests that they are for."""
    assert CANARY not in "".join(texts)
    assert not [path for path in dest.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]
    assert not [path for path in dest.rglob("*") if CANARY in path.name]
    assert all(KEY not in str(seen) for seen in issuer.store.log)
    assert all(f"{CANARY}+" not in str(seen) for seen in issuer.site.log)


def test_one_token_per_container_for_any_number_of_files(issuer, run_cli, dest):
    bodies = {f"i{n}": tif(300, n) for n in range(200)}
    items = [
        stac_item(name, data=issuer.put(f"naip/{name}.tif", body), dem=issuer.put(f"cop-dem/{name}", body))
        for name, body in bodies.items()
    ]
    source = static_catalog(issuer.site, items)
    words = (source, dest, *issuer.words, "--json", "-vv")
    ran = run_cli("mirror", *words, env=issuer.env)
    assert ran.code == 0, ran.err
    assert issuer.issued == {"naip": 1, "cop-dem": 1}
    assert len(issuer.store.log) == 400 and len(Mirrored(dest).files) == 400
    asked = [seen for seen in issuer.site.log if seen.path.startswith("/sas/")]
    assert [seen.headers["ocp-apim-subscription-key"] for seen in asked] == [KEY, KEY]
    assert not any(
        "ocp-apim-subscription-key" in seen.headers for seen in issuer.site.log if seen not in asked
    )
    assert_secret(dest, issuer, ran.out, ran.err)
    again = run_cli("mirror", *words, env=issuer.env)
    assert again.code == 0 and len(issuer.store.log) == 400


def test_a_token_that_ends_within_a_file_is_renewed_and_the_file_goes_on(issuer, run_cli, dest):
    body = noise(600_000)
    source = static_catalog(
        issuer.site, [stac_item("i", data=issuer.put("naip/i.bin", body, etag='"1"', faults=[Cut(250_000)]))]
    )

    def ended(seen, reply):
        if seen.path.endswith("/i.bin"):
            issuer.issued["naip"] += len(issuer.store.log) == 1  # the token of the first request ends

    issuer.store.answered = ended
    ran = run_cli("mirror", source, dest, *issuer.words, "-vv", env=issuer.env)
    assert ran.code == 0, ran.err
    assert list(Mirrored(dest).files.values()) == [body]
    ranges = [seen.headers.get("range") for seen in issuer.store.log]
    assert len(ranges) == 3 and ranges[0] is None and ranges[1] == ranges[2] != None  # noqa: E711
    assert issuer.issued["naip"] == 3  # two tokens, and the one that ended
    assert_secret(dest, issuer, ran.out, ran.err)


def test_a_saved_signature_that_has_ended_is_replaced(issuer, run_cli, dest):
    ended = f"?st=2019-01-01&se=2019-01-02T00%3A00%3A00Z&sp=rl&sr=c&sktid={TENANT}&sig={CANARY}old"
    items = [stac_item("i", data=issuer.put("naip/i.tif", tif(300)) + ended)]
    ran = run_cli("mirror", static_catalog(issuer.site, items), dest, *issuer.words, env=issuer.env)
    assert ran.code == 0, ran.err
    assert [parse_qs(seen.query)["sig"] for seen in issuer.store.log] == [[f"{CANARY}+naip/1="]]
    assert_secret(dest, issuer)


def test_a_container_of_somebody_else_keeps_its_own_refusal(issuer, run_cli, dest):
    issuer.store.put("/account/private/x.tif", status=403)
    items = [stac_item(f"i{n}", data=issuer.store.url(f"/account/private/x.tif?n={n}")) for n in range(3)]
    ran = run_cli("mirror", static_catalog(issuer.site, items), dest, *issuer.words, env=issuer.env)
    assert ran.code == 4 and {row["error"]["class"] for row in Mirrored(dest).errors} == {"forbidden"}
    assert issuer.site.count("/sas/account/private") == 1


@pytest.mark.parametrize(("status", "code"), [(401, 4), (503, 5)])
def test_a_token_endpoint_that_gives_none_is_named(issuer, run_cli, dest, status, code):
    issuer.status = status
    items = [stac_item("i", data=issuer.put("naip/i.tif", tif(300)))]
    ran = run_cli("mirror", static_catalog(issuer.site, items), dest, *issuer.words, "-R", 0, env=issuer.env)
    assert ran.code == code, ran.err
    told = Mirrored(dest).errors[0]["error"]["message"]
    assert f"/sas/account/naip: HTTP {status}" in told
    assert_secret(dest, issuer, ran.out, ran.err)
