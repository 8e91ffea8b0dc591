"""kill -9 at any moment breaks no promise."""

import sys

import pytest
from killing import QUICK, looping
from mirrored import Mirrored, publish
from troubled_stac import static_catalog

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


def test_no_promise_is_broken_in_eight_rounds_of_kills(tmp_path):
    with looping(tmp_path, seed=11, program=QUICK, count=16) as loop:
        for _ in range(8):
            loop.round()
        assert loop.tally.violations == []
        assert loop.tally.killed >= 4
        assert any("x-secret" in seen.headers for seen in loop.world.home.log)
        assert loop.world.bytes_sent()[0] > 1_000_000


@pytest.mark.parametrize("sidecar", [b"", b'{"journal":1,"key":"k","val'])
def test_a_note_that_a_kill_left_half_written_is_cleared_away_with_its_bytes(run_cli, site, dest, sidecar):
    partial = dest / ".mlhub" / "partial"
    partial.mkdir(parents=True)
    (partial / "old1.part").write_bytes(bytes(1000))
    (partial / "old1.journal").write_bytes(sidecar)
    assert run_cli("mirror", static_catalog(site, publish(site, ["one"])), dest).code == 0
    assert Mirrored(dest).partial == []
