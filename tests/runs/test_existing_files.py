"""Every cell of the table of `--if-exists`, as a server and a disk see it.

The file that is there has wrong bytes under the right size and modification time, so what becomes of it
tells the decisions apart.
"""

import os
import shutil

import pytest

from mlhub_async.core.options import CHOICES
from mlhub_async.transfer.existing import Decision, ExistingFilePolicy
from mlhub_async.transfer.expectations import Checks
from support.engine import run
from support.mirrored import Mirrored, asset_requests
from support.server import tif
from support.stac_server import sizes_and_digests, stac_item

BODY = tif(5_000)
WRONG = BODY[::-1]


@pytest.fixture
async def site(troubled):
    return await troubled.site()


def spoil(dest):
    """Change the bytes of the file, which a look at its size and time does not show."""
    path = dest / "c1/one/data.tif"
    path.parent.mkdir(parents=True, exist_ok=True)
    status = path.stat() if path.exists() else None
    path.write_bytes(WRONG)
    if status is not None:
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


async def prepare(state, item, dest):
    """Leave the file in this state, with wrong bytes in it."""
    if state != "unrecorded":
        assert (await run([item], dest)).exit_code == 0
    spoil(dest)
    if state == "changed":
        item["properties"]["updated"] = "2024-01-01T00:00:00Z"
    if state == "recovered":
        shutil.rmtree(dest / ".mlhub")


EFFECTS = {
    # If-None-Match of each request, whether the right bytes are there afterwards, exit code
    Decision.KEEP: ([], False, 0),
    Decision.REREAD: ([None], True, 0),
    Decision.REVALIDATE: (['"1"'], False, 0),
    Decision.FETCH: ([None], True, 0),
    Decision.REFUSE: ([], False, 4),
}


@pytest.mark.parametrize("verify", ["auto", "checksum"])
@pytest.mark.parametrize("state", ["unchanged", "changed", "recovered", "unrecorded"])
@pytest.mark.parametrize("if_exists", CHOICES["if_exists"])
async def test_what_becomes_of_a_file_is_what_the_table_says(site, dest, if_exists, state, verify):
    item = stac_item("one", data=site.put("/one.tif", BODY, etag='"1"'))
    await prepare(state, item, dest)
    site.log.clear()
    report = await run([item], dest, if_exists=if_exists, verify=verify)
    policy = ExistingFilePolicy.of(if_exists, Checks.of(verify))
    decision = getattr(policy, state)
    requests, right, code = EFFECTS[decision]
    if state == "recovered" and decision is Decision.REVALIDATE:
        requests, right = [None], True  # the item document does not tell the ETag
    assert [seen.headers.get("if-none-match") for seen in asset_requests(site)] == requests
    assert (Mirrored(dest).bytes_of("one") == BODY) == right
    assert report.exit_code == code
    assert [outcome.error.kind for outcome in report.failed] == ["exists"] * (code == 4)


@pytest.mark.parametrize("if_exists", ["resume", "refresh", "overwrite"])
async def test_a_file_without_record_that_has_the_published_digest_stays(site, dest, if_exists):
    item = stac_item("one", data={"href": site.put("/one.tif", BODY), **sizes_and_digests(BODY)})
    spoil(dest)
    (dest / "c1/one/data.tif").write_bytes(BODY)
    report = await run([item], dest, if_exists=if_exists)
    assert report.exit_code == 0 and asset_requests(site) == []
    assert Mirrored(dest).receipt["assets"]["verified_checksum"] == 1


@pytest.mark.parametrize(
    ("fields", "verify", "proof"),
    [
        ({}, "auto", "unverifiable"),
        (sizes_and_digests(BODY), "auto", "verified_checksum"),
        (sizes_and_digests(BODY), "size", "verified_size"),
        ({"file:size": len(BODY)}, "auto", "verified_size"),
        ({"file:size": 1}, "auto", "unverifiable"),
        ({"file:size": len(BODY), "file:checksum": "unknown"}, "auto", "unverifiable"),
        (sizes_and_digests(WRONG), "auto", "unverifiable"),
    ],
)
async def test_a_file_of_another_program_that_stays_is_proven_by_what_is_published(
    site, dest, fields, verify, proof
):
    item = stac_item("one", data={"href": site.put("/one.tif", BODY), **fields})
    (dest / "c1/one").mkdir(parents=True)
    (dest / "c1/one/data.tif").write_bytes(BODY)
    report = await run([item], dest, if_exists="skip", verify=verify)
    assert report.ok and not asset_requests(site)
    counted = Mirrored(dest).receipt["assets"]
    assert {name: count for name, count in counted.items() if count} == {"selected": 1, proof: 1}


@pytest.mark.parametrize("published", [{"file:size": 4_999}, {"file:checksum": "1220" + "ab" * 32}], ids=str)
async def test_a_recorded_file_that_is_not_what_the_catalogue_publishes_now_is_asked_for_whole(
    site, dest, published
):
    href = site.put("/one.tif", BODY, etag='"1"')
    assert (await run([stac_item("one", data=href)], dest)).exit_code == 0
    site.log.clear()
    report = await run([stac_item("one", data={"href": href, **published})], dest)
    assert report.exit_code == 4
    assert {seen.headers.get("if-none-match") for seen in asset_requests(site)} == {None}


@pytest.mark.parametrize("if_exists", ["skip", "error"])
@pytest.mark.parametrize("published", [True, False])
async def test_a_file_that_stayed_although_it_is_described_otherwise_is_replaced_later(
    site, dest, if_exists, published
):
    """The run that left it does not make its item one that is unchanged."""

    def item(version):
        body = tif(3_000, version)
        data = {"href": site.put("/one.tif", body, etag=f'"{version}"')}
        fields = sizes_and_digests(body) if published else {}
        return stac_item("one", properties={"updated": f"202{version}-01-01T00:00:00Z"}, data=data | fields)

    assert (await run([item(1)], dest)).ok
    changed = item(2)
    assert (await run([changed], dest, if_exists=if_exists)).exit_code == (4 if if_exists == "error" else 0)
    assert Mirrored(dest).bytes_of("one") == tif(3_000, 1)
    assert (await run([changed, changed], dest)).ok
    assert Mirrored(dest).bytes_of("one") == tif(3_000, 2)


async def test_a_digest_that_was_not_compared_is_compared_later(site, dest):
    data = {"href": site.put("/one.tif", BODY), **sizes_and_digests(WRONG)}
    for verify, code in (("size", 0), ("size", 0), ("auto", 4), ("size", 0), ("auto", 4)):
        report = await run([stac_item("one", data=data)], dest, verify=verify)
        assert (verify, report.exit_code) == (verify, code)
