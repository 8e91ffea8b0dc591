"""One connection is not the host: other connections, other addresses, and the asset's own URL again."""

import itertools
from contextlib import closing
from socket import socket

import pytest

from mlhub_async import RetryPolicy
from mlhub_async.http.client import MAX_UNTRUSTED_CONNECTIONS
from support.engine import run
from support.mirrored import Mirrored, publish
from support.server import Gone, Status, tif
from support.stac_server import stac_item
from support.wire_format import Reply

pytestmark = pytest.mark.parametrize("transport", ["fast", "aiohttp"])
PATIENT = RetryPolicy(attempts=6, base=0.01)


@pytest.fixture
async def site(troubled):
    return await troubled.site()


@pytest.fixture
def dead():
    """The URL of a port that is taken and refuses connections."""
    with closing(socket()) as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


class OddNode:
    """A TLS server of two certificates: connection n, from 1 on, gets the one of nobody if `odd(n)`."""

    def __init__(self, authority, odd):
        self.connections = self.refused = 0
        self.context, self._bad, self._odd = authority.context(), authority.without_traceback(), odd
        self.context.sni_callback = self._choose

    def _choose(self, tls, _name, _context):
        self.connections += 1
        if self._odd(self.connections):
            self.refused += 1
            tls.context = self._bad


async def odd_site(troubled, authority, odd, count=8):
    """A site with such a certificate that closes each connection after its answer, and its items."""
    node = OddNode(authority, odd)
    site = await troubled.site("localhost", node.context)
    items = publish(site, [f"i{n}" for n in range(count)], headers=[("Connection", "close")])
    return node, site, items


@pytest.mark.parametrize("odd", [{1}, {1, 2, 3, 4}, {5, 6, 9}], ids=str)
async def test_a_certificate_that_one_connection_has_is_not_that_of_the_host(
    troubled, authority, dest, transport, odd
):
    node, site, items = await odd_site(troubled, authority, odd.__contains__)
    report = await run(
        items, dest, ca_file=str(authority.pem), transport=transport, retry=PATIENT, concurrency=1
    )
    assert report.exit_code == 0 and len(Mirrored(dest).files) == len(items)
    assert node.refused == len(odd) and len(site.log) == len(items)


async def test_a_host_that_has_served_and_shows_bad_certificates_only_is_out_for_now(
    troubled, authority, dest, transport
):
    node, site, items = await odd_site(troubled, authority, lambda n: n > 4)
    report = await run(
        items, dest, ca_file=str(authority.pem), transport=transport, retry=PATIENT, concurrency=1
    )
    assert report.exit_code == 5 and len(Mirrored(dest).files) == 4
    assert set(Mirrored(dest).failed.values()) <= {"tls", "host-down"}
    assert len(site.log) == 4 and node.refused <= 4 * 2 * PATIENT.attempts


async def test_a_host_that_never_had_another_certificate_is_asked_a_few_times_and_has_failed(
    troubled, authority, dest, transport
):
    node, site, items = await odd_site(troubled, authority, lambda _: True)
    report = await run(items, dest, ca_file=str(authority.pem), transport=transport, concurrency=1)
    assert report.exit_code == 4 and set(Mirrored(dest).failed.values()) == {"tls"}
    assert node.refused == MAX_UNTRUSTED_CONNECTIONS and site.log == []


def front(site, nodes, count=40):
    """Items whose URLs the site redirects to the next of these nodes, whatever was asked before."""
    turn, items = itertools.cycle(nodes), []
    for n in range(count):
        site.route(f"/f{n}.tif", lambda seen: Reply(302, headers=[("Location", next(turn) + seen.path)]))
        items.append(stac_item(f"f{n}", data=site.url(f"/f{n}.tif")))
    return items


def fill(node, count=40):
    for n in range(count):
        node.put(f"/f{n}.tif", tif(5000, n))


@pytest.mark.parametrize("how", ["refuses", "closes", "503", "certificate", "no name"])
async def test_a_dead_node_behind_a_redirect_costs_no_asset(
    troubled, authority, site, dead, dest, transport, how
):
    alive = await troubled.site()
    fill(alive)
    trouble = {"closes": Gone("fin"), "503": Status(503)}
    if how in trouble:
        broken = await troubled.site()
        broken.always = (trouble[how],)
        dead = broken.origin
    elif how == "certificate":
        dead = (await troubled.site("localhost", authority.without_traceback())).origin
    elif how == "no name":
        dead = "http://nowhere.invalid"
    items = front(site, [alive.origin, dead, alive.origin])
    report = await run(items, dest, transport=transport, retry=PATIENT, concurrency=4)
    assert report.exit_code == 0 and len(Mirrored(dest).files) == 40
    assert len(site.log) < 120 and report.seconds < 20


async def test_where_all_nodes_are_dead_what_is_missing_may_come_later(site, dead, dest, transport):
    items = [*front(site, [dead]), *publish(site, ["ok"])]
    report = await run(items, dest, transport=transport, retry=PATIENT, concurrency=4)
    assert report.exit_code == 5 and len(Mirrored(dest).files) == 1
    assert set(Mirrored(dest).failed.values()) <= {"unreachable", "host-down"}
    assert report.seconds < 20


async def test_a_redirect_that_leads_to_a_bad_certificate_alone_fails_for_now(
    troubled, authority, site, dest, transport
):
    bad = await troubled.site("localhost", authority.without_traceback())
    report = await run(front(site, [bad.origin], 3), dest, transport=transport, retry=PATIENT)
    assert report.exit_code == 5 and bad.log == []
    assert set(Mirrored(dest).failed.values()) <= {"tls", "host-down"}


async def test_one_try_is_enough_where_the_front_names_another_node(troubled, site, dead, dest, transport):
    alive = await troubled.site()
    fill(alive)
    items = front(site, [dead, alive.origin], 10)
    report = await run(items, dest, transport=transport, retry=RetryPolicy(attempts=1, base=0), concurrency=1)
    assert report.exit_code == 0 and len(Mirrored(dest).files) == 10
