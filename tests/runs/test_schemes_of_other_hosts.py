"""`--auth` for a host that is not the one that refuses access: the message of the refusal says so."""

import pytest

from support.server import Status, tif
from support.stac_server import stac_item

KEYS = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_names_the_hosts_that_a_scheme_was_given_for(site, run_cli, status):
    image = site.put("/a.tif", tif(300, 1), always=[Status(status)])
    source = site.json("/item.json", stac_item("one", image=image))
    here = site.url("").rstrip("/")
    words = ("mirror", source, "dest", "--allow-private", "--auth")
    for host in ("data.example", here.replace("http://", "")):
        ran = run_cli(*words, f"{host}=s3", env=KEYS)
        assert ran.code == 4
        assert f"HTTP {status}; --auth is for https://{host}, not for {here}" in ran.err, ran.err
    for other in (f"{here}=s3", f"{here}=none"):
        ran = run_cli(*words, other, env=KEYS)
        assert ran.code == 4 and "--auth is for" not in ran.err, ran.err
    assert "--auth is for" not in run_cli(*words[:-1]).err


def test_other_failures_do_not_name_them(site, run_cli):
    source = site.json("/item.json", stac_item("one", image=site.url("/none.tif")))
    ran = run_cli("mirror", source, "dest", "--allow-private", "--auth", "data.example=s3", env=KEYS)
    assert ran.code == 4 and "HTTP 404" in ran.err and "--auth is for" not in ran.err
