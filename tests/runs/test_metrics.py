"""`--metrics FILE`: what it says, that it only grows, and that Prometheus' own parser reads it."""

import os
import signal
import sys

import pytest

from mlhub_async.core.errors import LimitReached
from mlhub_async.core.telemetry import Meter
from mlhub_async.engine.report.exposition import Series, parse, render
from mlhub_async.engine.report.metrics import FAMILIES, MetricsFile
from support.mirrored import publish, wait_for
from support.server import Stall, Status
from support.stac_server import static_catalog

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


def samples(path):
    """The samples of a file by name and own labels, as `name{state=fetched}`."""
    found = {}
    for (name, labels), value in parse(path.read_bytes()).items():
        own = ",".join(f"{key}={text}" for key, text in labels if key not in ("source", "dest"))
        found[name.removeprefix("mlhub_async_") + (f"{{{own}}}" if own else "")] = value
    return found


def read_by_prometheus(path):
    """Families by name, as the parser of prometheus_client reads them: it is the reference for the format."""
    parser = pytest.importorskip("prometheus_client.parser")
    text = path.read_text("utf-8")
    return {family.name: family for family in parser.text_string_to_metric_families(text)}


def test_a_run_writes_its_counts_and_the_next_one_adds_to_them(run_cli, site, dest, tmp_path):
    items = publish(site, ["one", "two", "gone"])
    site.things["/gone.tif"].faults.extend([Status(404)] * 9)
    url, file = static_catalog(site, items), tmp_path / "mirror.prom"
    assert run_cli("mirror", url, dest, "--metrics", file).code == 4
    first = samples(file)
    assert first["last_run_exit_code"] == 4 and first["run_in_progress"] == 0
    assert first["runs_total{outcome=failed}"] == 1 and first["runs_total{outcome=complete}"] == 0
    assert first["files_total{state=fetched}"] == 2 and first["files_total{state=failed}"] == 1
    assert first["last_run_files{state=selected}"] == 3 and first["items_listed_total"] == 3
    assert first["failures_total{kind=not-found}"] == 1
    assert first["received_bytes_total"] >= first["last_run_mirrored_bytes"] == 40_000
    assert first["last_success_timestamp_seconds"] == 0

    site.things["/gone.tif"].faults.clear()
    assert run_cli("mirror", url, dest, "--metrics", file).code == 0
    second = samples(file)
    assert second["last_run_exit_code"] == 0
    assert second["last_success_timestamp_seconds"] == second["last_run_end_timestamp_seconds"] > 1e9
    assert second["runs_total{outcome=failed}"] == second["runs_total{outcome=complete}"] == 1
    assert second["files_total{state=fetched}"] == 3 and second["files_total{state=skipped}"] == 2
    assert second["failures_total{kind=not-found}"] == 1
    totals = {name for name in first if "_total" in name}
    assert all(second[name] >= first[name] for name in totals)


def test_the_parser_of_prometheus_reads_it_and_every_name_is_conventional(run_cli, site, dest, tmp_path):
    url, file = static_catalog(site, publish(site, ["one"])), tmp_path / "mirror.prom"
    assert run_cli("mirror", url, dest, "--metrics", file).code == 0
    families = read_by_prometheus(file)
    assert len(families) == len(FAMILIES) - 1  # nothing has failed
    for name, family in families.items():
        assert family.documentation and family.type in ("counter", "gauge")
        assert {sample.name for sample in family.samples} == {name + "_total" * (family.type == "counter")}
        assert all(sample.labels["dest"] == str(dest) for sample in family.samples)
    for family in FAMILIES:
        assert family.name.endswith("_total") == (family.kind == "counter")
        assert ("timestamp" in family.name) == family.name.endswith("timestamp_seconds")


def test_labels_are_escaped_and_read_back():
    odd = 'a"b\\c\nd\\n,e="f"} \u2028é'
    given = {Series(FAMILIES[1].name, (("source", odd), ("dest", "/data"))): 0.25}
    text = render(FAMILIES, given)
    assert text.count(b"\n") == 3 and parse(text) == given
    parser = pytest.importorskip("prometheus_client.parser")
    (family,) = parser.text_string_to_metric_families(text.decode())
    assert family.samples[0].labels == {"source": odd, "dest": "/data"}


def test_no_secret_of_the_source_is_in_it(run_cli, site, dest, tmp_path):
    url, file = static_catalog(site, publish(site, ["one"])), tmp_path / "mirror.prom"
    secret = "c2VjcmV0LWluLXRoZS11cmw"
    run_cli("mirror", f"{url}?sig={secret}&token={secret}", dest, "--metrics", file)
    assert file.stat().st_size and secret not in file.read_text()


def test_a_run_that_comes_to_no_listing_is_counted(run_cli, site, dest, tmp_path):
    file = tmp_path / "mirror.prom"
    assert run_cli("mirror", site.url("/nothing.json"), dest, "--metrics", file).code == 3
    found = samples(file)
    assert found["last_run_exit_code"] == 3 and found["runs_total{outcome=source}"] == 1
    assert run_cli("mirror", site.url("/nothing.json"), dest, "--metrics", file, "--prune", "-i", "*").code
    assert sum(value for name, value in samples(file).items() if name.startswith("runs_total")) == 2


@posix_only
def test_it_is_written_while_a_run_lasts_and_a_killed_run_is_counted_by_the_next(
    run_cli, site, dest, tmp_path
):
    items = publish(site, ["one", "two"])
    site.things["/two.tif"].faults.append(Stall(100))
    url, file = static_catalog(site, items), tmp_path / "mirror.prom"
    running = run_cli.start("mirror", url, dest, "--metrics", file)
    wait_for(lambda: file.exists() and site.count("/two.tif"))
    assert samples(file)["run_in_progress"] == 1 and "last_run_exit_code" not in samples(file)
    refused = run_cli("mirror", url, dest, "--metrics", file)
    assert refused.code == 11 and samples(file)["run_in_progress"] == 1, "the file is that of the other run"
    running.kill()
    assert run_cli("mirror", url, dest, "--metrics", file).code == 0
    found = samples(file)
    assert found["runs_total{outcome=killed}"] == found["runs_total{outcome=complete}"] == 1


@posix_only
def test_a_run_that_a_signal_ends_is_interrupted(run_cli, site, dest, tmp_path):
    items = publish(site, ["one"], always=[Stall(100)])
    url, file = static_catalog(site, items), tmp_path / "mirror.prom"
    running = run_cli.start("mirror", url, dest, "--metrics", file)
    wait_for(lambda: site.count("/one.tif"))
    running.process.send_signal(signal.SIGTERM)
    assert running.finish(60).code == 143
    found = samples(file)
    assert found["last_run_exit_code"] == 143 and found["runs_total{outcome=interrupted}"] == 1


def test_files_of_others_are_not_replaced(run_cli, site, dest, tmp_path):
    url, file = static_catalog(site, publish(site, ["one"])), tmp_path / "notes.txt"
    for content in (b"remember the milk\n", b"node_load1 3\n", b"\xff\xfe\x00"):
        file.write_bytes(content)
        ended = run_cli("mirror", url, dest, "--metrics", file)
        assert ended.code == 2 and "not one of mlhub-async" in ended.err and str(file) in ended.err
        assert file.read_bytes() == content and not dest.exists()
    mine = tmp_path / "mine.prom"
    assert run_cli("mirror", url, dest, "--metrics", mine).code == 0
    before = mine.read_bytes()
    ended = run_cli("mirror", url, tmp_path / "other", "--metrics", mine)
    assert ended.code == 2 and "another mirror" in ended.err and mine.read_bytes() == before


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_fetched(run_cli, site, dest, tmp_path):
    url = static_catalog(site, publish(site, ["one"]))
    ended = run_cli("mirror", url, dest, "--metrics", tmp_path / "no/such/folder/m.prom")
    assert ended.code == 2 and "No such file or directory" in ended.err and not dest.exists()
    assert run_cli("mirror", url, dest, "--metrics", tmp_path).code == 2


@pytest.mark.parametrize("option", ["--metrics", "--token-file"])
@pytest.mark.parametrize("name", ["catalog.json", ".mlhub/ledger.sqlite", ".mlhub/receipt.json", "m.prom"])
def test_a_file_among_those_of_the_mirror_is_refused_and_they_stay(run_cli, site, option, name):
    url, root = static_catalog(site, publish(site, ["one"])), run_cli.home / "copy"
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    first = run_cli("mirror", url, "copy", option, f"copy/{name}")
    assert first.code == 2 and option in first.err and "files of the mirror" in first.err
    assert not (root / name).exists()
    assert run_cli("mirror", url, "copy").code == 0
    before = {path: path.read_bytes() for path in root.rglob("*.*") if path.is_file()}
    (run_cli.home / "link").symlink_to(root / name)
    for file in (root / name, "link"):
        assert run_cli("mirror", url, "copy", option, file).code == 2
    assert before == {path: path.read_bytes() for path in before} and not (root / "m.prom").exists()
    assert run_cli("verify", "copy").code == 0


def test_standard_output_is_no_file_that_can_be_replaced(run_cli, site, dest):
    ended = run_cli("mirror", static_catalog(site, publish(site, ["one"])), dest, "--metrics", "-")
    assert ended.code == 2 and "--metrics -" in ended.err
    assert not (run_cli.home / "-").exists() and not dest.exists()


def test_a_file_that_cannot_be_written_at_the_end_is_a_warning(tmp_path):
    folder = tmp_path / "textfiles"
    folder.mkdir()
    file = MetricsFile(str(folder / "m.prom"), (("source", "s"), ("dest", "d")), clock=lambda: 1.5)
    folder.rmdir()
    with pytest.warns(UserWarning, match="cannot be written"):
        file._write_or_warn(file._ended(Meter(), 0))


@pytest.mark.parametrize("later", [-31_536_000.0, 31_536_000.0])
async def test_a_clock_that_is_set_during_a_run_changes_no_duration(tmp_path, later):
    times, seconds, meter = iter([1.8e9] + 9 * [1.8e9 + later]), iter([5.0, 25.0]), Meter()
    file = MetricsFile(
        str(tmp_path / "m.prom"), (), clock=lambda: next(times), stopwatch=lambda: next(seconds)
    )
    with pytest.raises(LimitReached):
        async with file.written_at_end(meter):
            raise LimitReached("--max-duration")
    found = {series.name: value for series, value in parse((tmp_path / "m.prom").read_bytes()).items()}
    assert found["mlhub_async_last_run_duration_seconds"] == 20
    assert found["mlhub_async_last_run_end_timestamp_seconds"] == 1.8e9 + later


@pytest.mark.skipif(sys.platform == "win32", reason="a path of POSIX")
def test_relative_names_and_a_dest_without_utf8_are_labels(run_cli, site, tmp_path):
    url = static_catalog(site, publish(site, ["one"]))
    folder = os.fsdecode(b"caf\xe9")
    ended = run_cli("mirror", url, folder, "--metrics", "m.prom")
    if ended.code == 7:
        pytest.skip("this file system has no such names")
    found = parse((run_cli.home / "m.prom").read_bytes())
    assert {dict(labels)["dest"] for _, labels in found} == {str(run_cli.home / r"caf\xe9")}
