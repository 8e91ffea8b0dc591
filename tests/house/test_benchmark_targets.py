"""The target table of the benchmarks: its rows for given runs, and one part of it measured."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(bench):
    table, measure = bench("table"), bench("measure")

    def made(corpus, client, number, wall, cpu, *, rss=0, flaw=""):
        return table.Run(corpus, client, number, measure.Cost(wall, cpu, rss, 0), flaw)

    return made


def found(bench, runs, what, against, measure, scale=1.0, on_disk=()):
    rows = bench("target_rows").target_rows(runs, scale, on_disk)
    [row] = [row for row in rows if (row.what, row.against, row.measure) == (what, against, measure)]
    return row


def test_a_ratio_is_the_median_of_the_ratios_of_the_rounds(bench, run):
    runs = [run("small, http", "ours", n, wall, 1.0) for n, wall in enumerate((1.0, 20.0, 3.0))]
    runs += [run("small, http", "curl+sha256sum", n, wall, 2.0) for n, wall in enumerate((2.0, 40.0, 2.0))]
    wall = found(bench, runs, "small, http", "curl -Z, then sha256sum", "wall")
    assert (wall.figure, wall.reached) == (0.5, True)
    assert wall.cells()[4:] == ["0.50", "0.50 .. 1.50", "yes"]
    assert found(bench, runs, "small, http", "curl -Z, then sha256sum", "CPU").figure == 0.5
    assert found(bench, runs, "small, https", "curl -Z", "CPU").reached is None


def test_each_corpus_has_targets_of_its_own(bench, run):
    corpora = ("small, http", "chips, http", "large, http", "large, https")
    runs = [
        run(corpus, name, 0, 1.0, cpu) for corpus in corpora for name, cpu in (("ours", 1.6), ("curl", 1.0))
    ]
    reached = [found(bench, runs, corpus, "curl -Z", "CPU").reached for corpus in corpora]
    assert reached == [True, True, False, False]


def test_a_wrong_copy_is_not_counted(bench, run):
    runs = [run("small, http", "ours", 0, 1.0, 1.0, flaw="a0.bin is missing")]
    runs += [run("small, http", "curl", 0, 2.0, 2.0)]
    assert found(bench, runs, "small, http", "curl -Z", "CPU").reached is None


def test_rates_have_lower_and_peaks_have_upper_targets(bench, run):
    runs = [run("small, http, 50 ms", "ours", 0, 5.0, 1.0), run("small, http, 50 ms", "curl", 0, 4.0, 1.0)]
    runs += [run("listing", "ours", 0, 0.5, 0.5)]
    runs += [
        run(f"{name}, http", "ours", 0, 1.0, 1.0, rss=rss)
        for name, rss in (("few names", 50), ("many names", 60))
    ]
    assert found(bench, runs, "small, http, 50 ms", "curl -Z, 64 at a time", "files/s").cells()[4] == "0.80"
    planned = found(bench, runs, "assets planned", "pages of 100, with start-up", "per s")
    assert (planned.figure, planned.reached) == (400_000, True)
    assert found(bench, runs, "peak memory", "200,000 against 10,000 assets", "RSS").reached is False
    assert (
        found(bench, runs, "assets on disk", "as page 2 is requested", "count", on_disk=[0, 7]).reached
        is False
    )
    assert (
        found(bench, runs, "assets on disk", "as page 3 is requested", "count", on_disk=[0, 7]).reached
        is True
    )


def test_one_part_of_the_table_is_measured_and_written_with_its_command(tmp_path, bench):
    if bench("server").find() is None:
        pytest.skip("nginx is not installed")
    output = tmp_path / "results.json"
    words = ["--only", "first", "--json", output, "--tmp", tmp_path]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, ROOT / "benchmarks/targets.py", *words],
        env=env,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    results = json.loads(output.read_text())
    assert results["command"].startswith("python benchmarks/targets.py --only first")
    rows = {row["against"]: row for row in results["figures"]}
    assert rows["as page 2 is requested"]["figure"].replace(".", "").isdigit()
    assert rows["curl -Z"]["figure"] == "not measured"
