"""Another program removes or moves what a run has written, while it goes on."""

import os
import shutil

import pytest

from support.mirrored import Mirrored, wait_for
from support.server import When, tif
from support.stac_server import stac_item

DONE, LATER = ["a0", "a1"], ["b0", "b1"]
BODIES = {name: tif(30_000, seed) for seed, name in enumerate(DONE + LATER)}


@pytest.fixture
def started(site, run_cli, dest):
    """A run that has finished two of four files; `go()` lets the server send the others."""
    gate = []
    items = [
        stac_item(name, data=site.put(f"/{name}.tif", BODIES[name], always=[When(lambda: bool(gate))]))
        for name in LATER
    ]
    items += [stac_item(name, data=site.put(f"/{name}.tif", BODIES[name])) for name in DONE]
    source = site.json("/items.json", {"type": "FeatureCollection", "features": items})
    running = run_cli.start("mirror", source, dest)
    wait_for(lambda: all((dest / "c1" / name / f"{name}.json").exists() for name in DONE))

    def go():
        gate.append(True)
        return running.finish()

    yield go, source
    gate.append(True)


def removed(dest):
    shutil.rmtree(dest / "c1")


def moved(dest):
    os.rename(dest / "c1", dest / "elsewhere")


@pytest.mark.skipif(os.name == "nt", reason="directories that are in use cannot be removed")
@pytest.mark.parametrize("change", [removed, moved])
def test_finished_files_that_another_program_removed_are_no_success(run_cli, dest, started, change):
    go, source = started
    change(dest)
    ran = go()
    assert ran.code == 7 and "c1/a0/a0.json: another program removed or moved it" in ran.err, ran.err
    assert Mirrored(dest).receipt["exit_code"] == 7
    assert run_cli("verify", dest).code == 6
    again = run_cli("mirror", source, dest)
    assert again.code == 0 and run_cli("verify", dest).code == 0, again.err
    assert [Mirrored(dest).bytes_of(name) for name in BODIES] == list(BODIES.values())


def test_a_directory_without_files_that_another_program_removed_is_created_again(site, run_cli, dest):
    """As `find -type d -empty -delete` does it."""
    gate = []
    first = stac_item("a0", data=site.put("/a0.tif", BODIES["a0"], always=[When(lambda: bool(gate))]))
    other = stac_item("o", "c2", data=site.put("/o.tif", BODIES["a1"]))
    source = site.json("/items.json", {"type": "FeatureCollection", "features": [other, first]})
    running = run_cli.start("mirror", source, dest)
    wait_for((dest / "c2" / "o" / "o.json").exists)
    os.makedirs(dest / "c1" / "a0", exist_ok=True)
    shutil.rmtree(dest / "c1")
    gate.append(True)
    assert running.finish().code == 0
    assert Mirrored(dest).bytes_of("a0") == BODIES["a0"] and run_cli("verify", dest).code == 0


def test_items_that_somebody_has_used_and_removed_are_no_loss(run_cli, dest, started):
    go, source = started
    for name in DONE:
        shutil.rmtree(dest / "c1" / name)
    assert go().code == 0
    assert run_cli("verify", dest).code == 6
    assert run_cli("mirror", source, dest).code == 0 and run_cli("verify", dest).code == 0


@pytest.mark.skipif(os.name == "nt", reason="a file that is open cannot be removed")
def test_a_ledger_that_another_program_removed_is_no_success(run_cli, dest, started):
    go, source = started
    for file in (dest / ".mlhub").glob("ledger.sqlite*"):
        file.unlink()
    ran = go()
    assert ran.code == 7 and "ledger.sqlite: another program removed or moved it" in ran.err, ran.err
    assert run_cli("mirror", source, dest).code == 0 and run_cli("verify", dest).code == 0
