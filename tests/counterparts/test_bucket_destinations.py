"""Object stores that nobody here wrote as DEST: moto, `rclone serve s3`, Azurite, and two for Google's."""

import json
import shutil
import subprocess

import pytest

from support.bucket_kills import bucket_loop
from support.server import tif
from support.stac_server import stac_item, static_catalog
from support.store_views import LARGE_FILES, STORES

LARGE = 20 << 20
PREFIX = "a/b/"
ODD = "\u00e9 +#?%41&=.tif"


@pytest.fixture(params=STORES)
def store(request, tmp_path):
    program = shutil.which(request.param)
    if program is None:
        pytest.skip(f"{request.param} is not installed")
    if request.param == "rclone":
        asked = subprocess.run(
            [program, "serve", "s3", "--help"], capture_output=True, text=True, check=False
        )
        if "--auth-key" not in asked.stdout:
            pytest.skip("this rclone cannot serve s3")
    with STORES[request.param](tmp_path, program) as found:
        yield found


@pytest.fixture
def run(store, run_cli, tmp_path):
    """Runs a command with words for the store."""

    def run(command, *words, state="state"):
        where = ("--endpoint-url", f"http://127.0.0.1:{store.port}", "--state", tmp_path / state)
        more = ("--allow-private",) if command == "mirror" else ()
        return run_cli(command, *words, *where, *more, env=store.environ)

    return run


def test_a_mirror_there_survives_kills_and_a_second_run_puts_nothing(request, store, tmp_path):
    large = LARGE_FILES.get(request.node.callspec.params["store"], 2)
    with bucket_loop(tmp_path, 7, store, large=large) as loop:
        for _ in range(3):  # the third one without its ledger
            loop.round()
    assert loop.tally.violations == [] and loop.tally.fetched_again == 0


def test_files_of_any_size_and_name_are_there_as_they_came(store, run, troubled_thread, tmp_path):
    site = troubled_thread.site()
    shared = site.put("/shared.tif", tif(30_000))
    items = [
        stac_item("large", data=site.put("/large.tif", tif(LARGE))),
        stac_item("odd", **{ODD: site.put("/odd.tif", tif(20_000))}),
        stac_item("one", data=shared),
        stac_item("two", data=shared),
    ]
    source, dest = static_catalog(site, items), f"{store.dest}/{PREFIX.rstrip('/')}"
    ran = run("mirror", source, dest)
    assert ran.code == 0, ran.err
    found = {key.removeprefix(PREFIX): store.read(key)[0] for key in store.keys(PREFIX)}
    files = {path: body for path, body in found.items() if path.endswith(".tif")}
    assert sorted(map(len, files.values())) == [20_000, 30_000, 30_000, LARGE]
    assert files["c1/large/data.tif"] == tif(LARGE) and files["c1/one/data.tif"] == files["c1/two/data.tif"]
    assert store.uploads() == [] and f"{PREFIX}.mlhub/receipt.json" in store.keys(PREFIX)
    ran = run("mirror", source, dest)
    assert ran.code == 0 and "0 fetched, 4 already there" in ran.err
    assert run("verify", dest).code == 0 and run("verify", dest, "--deep").code == 0


def test_a_bucket_that_is_not_there_is_told_in_one_line(store, run, site):
    ran = run(
        "mirror", site.json("/c.json", {"type": "FeatureCollection", "features": []}), f"{store.dest}x/a"
    )
    assert ran.code == 7 and "there is no such bucket" in ran.err and ran.err.count("\n") == 1


def test_a_prefix_that_another_run_owns_is_left_alone(store, run, site):
    """The other one has another state directory, as on another machine."""
    items, dest = [stac_item("one", data=site.put("/x.tif", tif(20_000)))], f"{store.dest}/a"
    source = static_catalog(site, items)
    assert run("mirror", source, dest).code == 0
    key, body = "a/.mlhub/lock", json.dumps({"owner": "another", "host": "elsewhere"}).encode()
    store.put(key, body)
    ran = run("mirror", source, dest, state="another-state")
    assert ran.code == 11 and "another run on 'elsewhere' owns this prefix" in ran.err
    assert store.read(key)[0] == body
