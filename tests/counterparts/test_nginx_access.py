"""What nginx demands of its clients: a password, and trust in its certificate."""

from base64 import b64encode

import pytest

from support.counterparts import nginx
from support.mirrored import Mirrored
from support.server import tif
from support.stac_server import stac_item, static_catalog


def test_a_password_gives_access_and_is_written_to_no_file(run_cli, tmp_path, dest):
    secret = b64encode(b"somebody:CANARY").decode()
    closed = "location /closed/ { auth_basic mirror; auth_basic_user_file htpasswd; }"
    with nginx(tmp_path / "nginx", closed) as server:
        (server.folder / "htpasswd").write_text("somebody:{PLAIN}CANARY\n")
        open_, shut = server.put("/open.tif", tif(2000, 1)), server.put("/closed/shut.tif", tif(2000, 2))
        url = static_catalog(server, [stac_item("open", data=open_), stac_item("shut", data=shut)])
        ended = run_cli("mirror", url, dest)
        assert ended.code == 4 and "401" in ended.err
        Mirrored(dest).check(4)
        assert list(Mirrored(dest).failed) == ["shut"] and list(Mirrored(dest).files) == ["c1/open/data.tif"]
        ended = run_cli("mirror", url, dest, "-H", f"Authorization: Basic {secret}")
        assert ended.code == 0, ended.err
        Mirrored(dest).check(0)
        assert Mirrored(dest).bytes_of("shut") == tif(2000, 2)
        assert server.request_count("open.tif") == 1
    found = [path.read_bytes() for path in dest.rglob("*") if path.is_file()]
    assert not [data for data in found if b"CANARY" in data or secret.encode() in data]


class TestCertificateOfAnUnknownAuthority:
    @pytest.fixture
    def certificate(self, authority):
        """The folder of a certificate for localhost."""
        authority.context("DNS:localhost")
        return authority.folder

    def test_it_is_trusted_if_the_authority_is_named(self, run_cli, tmp_path, dest, authority, certificate):
        with nginx(tmp_path / "nginx", tls=certificate, name="localhost") as server:
            url = static_catalog(server, [stac_item("one", data=server.put("/one.tif", tif(3000)))])
            ended = run_cli("mirror", url, dest, "--ca-file", authority.pem)
            assert ended.code == 0, ended.err
            Mirrored(dest).check(0)
            assert Mirrored(dest).bytes_of("one") == tif(3000)

    def test_without_that_nothing_is_requested(self, run_cli, tmp_path, dest, certificate):
        with nginx(tmp_path / "nginx", tls=certificate, name="localhost") as server:
            url = static_catalog(server, [stac_item("one", data=server.put("/one.tif", tif(3000)))])
            ended = run_cli("mirror", url, dest)
            assert ended.code == 3 and "certificate" in ended.err
            assert server.request_count(".json") == server.request_count(".tif") == 0

    def test_it_is_not_trusted_under_another_name(self, run_cli, tmp_path, dest, authority, certificate):
        with nginx(tmp_path / "nginx", tls=certificate, name="127.0.0.1") as server:
            url = static_catalog(server, [stac_item("one", data=server.put("/one.tif", tif(3000)))])
            ended = run_cli("mirror", url, dest, "--ca-file", authority.pem)
            assert ended.code == 3 and "certificate" in ended.err
            assert server.request_count(".json") == server.request_count(".tif") == 0

    def test_a_file_of_such_a_server_fails_and_the_others_arrive(self, run_cli, tmp_path, dest, certificate):
        with nginx(tmp_path / "plain") as plain, nginx(tmp_path / "tls", tls=certificate) as closed:
            here, there = plain.put("/here.tif", tif(2000, 1)), closed.put("/there.tif", tif(2000, 2))
            items = [stac_item("here", data=here), stac_item("there", data=there)]
            ended = run_cli("mirror", static_catalog(plain, items), dest)
            assert ended.code == 4 and "certificate" in ended.err
            Mirrored(dest).check(4)
            assert Mirrored(dest).failed == {"there": "tls"}
            assert Mirrored(dest).files == {"c1/here/data.tif": tif(2000, 1)}
