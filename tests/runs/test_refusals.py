"""Hrefs and hosts that are refused: they cost one asset each, no secret is shown, and no time is lost."""

import pytest

from mlhub_async.core.errors import TransferError
from mlhub_async.http.ssrf import AddressPolicy
from support.engine import run
from support.mirrored import Mirrored, asset_requests, publish
from support.server import Status, tif
from support.stac_server import stac_item, static_catalog_files

PUBLIC, LINK_LOCAL, PRIVATE = "93.184.216.34", "169.254.169.254", "10.0.0.1"


@pytest.fixture
async def site(troubled):
    return await troubled.site()


@pytest.mark.parametrize(
    "host", ["a" * 70 + ".com", "x." + "b" * 64, "a..b", "x." + "é" * 60 + ".com"], ids=range(4)
)
async def test_an_invalid_host_name_fails_its_asset_alone(site, dest, host):
    bad = stac_item("bad", data=f"http://{host}/x.tif")
    report = await run([bad, *publish(site, ["one"])], dest)
    assert report.exit_code == 4
    mirror = Mirrored(dest)
    mirror.check(4)
    assert mirror.failed == {"bad": "bad-href"}
    assert mirror.bytes_of("one") == tif(20_000)


@pytest.mark.parametrize(
    "href",
    ["./" + "a" * 300 + ".tif", "./" + "d/" * 2500 + "x.tif", "./folder.tif", "./none.tif", "./ok.tif/x.tif"],
    ids=["long name", "long path", "a directory", "not there", "below a file"],
)
async def test_a_local_file_that_cannot_be_read_fails_its_asset_alone(tmp_path, dest, href):
    folder = tmp_path / "catalogue"
    static_catalog_files(folder, [stac_item("bad", data=href), stac_item("ok", data="../i0/ok.tif")])
    (folder / "c1/i0/folder.tif").mkdir()
    (folder / "c1/i0/ok.tif").write_bytes(tif(100))
    report = await run(str(folder / "catalog.json"), dest)
    assert report.exit_code == 4
    mirror = Mirrored(dest)
    mirror.check(4)
    assert list(mirror.failed) == ["bad"]
    assert mirror.bytes_of("ok") == tif(100)


@pytest.mark.parametrize(
    "href",
    [
        "https://user:S3CRET@h.test/x.tif",
        "https://S3CRET@h.test/x.tif",
        "s3://bucket/key?X-Amz-Signature=S3CRET",
        "ftp://user:S3CRET@h.test/x.tif?sig=S3CRET",
        "http://h.test:99999/x.tif?token=S3CRET",
        "{site}/gone.tif?se=1&sig=S3CRET",
    ],
)
async def test_no_secret_of_a_refused_href_is_written_anywhere(site, dest, href):
    item = stac_item("one", data=href.replace("{site}", site.origin))
    report = await run([item], dest)
    assert report.exit_code == 4 and len(Mirrored(dest).errors) == 1
    written = [path for path in dest.rglob("*") if path.is_file() and b"S3CRET" in path.read_bytes()]
    assert written == []


async def test_a_host_that_asks_for_a_pause_of_hours_gets_one_request_and_does_not_delay_another(
    troubled, site, dest
):
    throttling = await troubled.site()
    items = publish(throttling, [f"t{n}" for n in range(40)], always=[Status(429, retry_after=7200)])
    report = await run(items + publish(site, ["one"]), dest, concurrency=1)
    assert report.exit_code == 5 and report.failures == 40
    assert len(asset_requests(throttling)) == 1
    mirror = Mirrored(dest)
    assert mirror.bytes_of("one") == tif(20_000)
    assert all(row["error"]["retryable"] for row in mirror.errors)


def test_a_public_root_that_resolves_to_private_addresses_later_opens_none():
    reach = AddressPolicy()
    reach.name("http://root.test/")
    reach.check("root.test", 80, PUBLIC)
    for host in ("root.test", "other.test"):
        for address in (LINK_LOCAL, PRIVATE, "127.0.0.1"):
            with pytest.raises(TransferError):
                reach.check(host, 80, address)
    reach.check("root.test", 80, PUBLIC)


def test_a_root_in_a_private_network_opens_that_network_and_no_other():
    reach = AddressPolicy()
    reach.name("http://root.test/")
    reach.check("root.test", 80, PRIVATE)
    reach.check("other.test", 80, PRIVATE)
    for host in ("root.test", "other.test"):
        with pytest.raises(TransferError):
            reach.check(host, 80, LINK_LOCAL)
