"""The kill -9 loop with a bucket as DEST, on the scripted stores; benchmarks/bucket_kills.py on others."""

import sys

import pytest

from support.azure_server import AzureServer
from support.bucket_kills import bucket_loop
from support.google_server import GoogleServer
from support.s3_server import S3Server
from support.store_views import AzureView, GoogleView, S3View

STORES = {"s3": (S3Server, S3View), "azure": (AzureServer, AzureView), "google": (GoogleServer, GoogleView)}


@pytest.mark.skipif(sys.platform == "win32", reason="a run is ended otherwise there")
@pytest.mark.parametrize("name", STORES)
def test_killed_at_any_moment_no_object_is_unfinished(name, tmp_path):
    server, view = STORES[name]
    with server() as store:
        with bucket_loop(tmp_path, 5, view(int(store.url.rpartition(":")[2]))) as loop:
            for _ in range(3):
                loop.round()
        assert store.uploads == {}
    assert loop.tally.violations == [] and loop.tally.rounds == 3
