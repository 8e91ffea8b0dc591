"""The kill -9 loop with a bucket as DEST, on the scripted store; benchmarks/bucket_kills.py on others."""

import sys

import pytest

from support.bucket_kills import bucket_loop
from support.s3_server import S3Server


@pytest.mark.skipif(sys.platform == "win32", reason="a run is ended otherwise there")
def test_killed_at_any_moment_no_object_is_unfinished(tmp_path):
    with S3Server() as s3, bucket_loop(tmp_path, 5, int(s3.url.rpartition(":")[2])) as loop:
        for _ in range(3):
            loop.round()
    assert loop.tally.violations == [] and loop.tally.rounds == 3
