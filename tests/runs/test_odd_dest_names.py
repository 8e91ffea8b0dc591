"""Names of DEST that libraries read otherwise than the system does: as a URL, or as text that is no UTF-8."""

import os
import shutil
import sys

import pytest

from support.mirrored import Mirrored, publish
from support.stac_server import static_catalog

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="':' and arbitrary bytes in names")
NAMES = ["file:mirror", "s3:mirror", "a:b", os.fsdecode(b"not-\xff-utf-8"), "line\nbreak"]


@pytest.mark.skipif(sys.platform == "darwin", reason="APFS refuses names that are no UTF-8")
@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_mirror_may_have_any_name_that_the_system_takes(run_cli, site, name):
    dest, url = run_cli.home / name, static_catalog(site, publish(site, ["one", "two"]))
    for more in (["--index", "--croissant", "--ro-crate"], ["--if-exists", "refresh", "--json"]):
        ended = run_cli("mirror", url, name, *more)
        assert ended.code == 0, ended.err
    assert Mirrored(dest).receipt["exit_code"] == 0
    assert len(list(dest.glob("c1/*/data.tif"))) == 2
    for words in (["verify"], ["status"], ["report"], ["lock"], ["diff", url]):
        ended = run_cli(*words, name)
        assert ended.code == 0, ended.err
    copied = run_cli("mirror", dest / "items.parquet", "copy")
    assert copied.code == 0, copied.err
    shutil.rmtree(dest / "c1")
    assert run_cli("verify", name).code == 6


@pytest.mark.parametrize(
    "dest", ["https://host.example/mirror?sig=secret", "file:///data/mirror", "ftp://h/x"]
)
def test_a_url_that_is_no_bucket_is_no_dest(run_cli, site, dest):
    url = static_catalog(site, publish(site, ["one"]))
    ended = run_cli("mirror", url, dest)
    assert ended.code == 2 and "is a URL" in ended.err and "secret" not in ended.err, ended.err
    assert list(run_cli.home.iterdir()) == [] and not site.count("/one.tif")
