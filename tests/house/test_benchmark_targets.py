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
    runs += [run("small, http", "curl", n, wall, 2.0) for n, wall in enumerate((2.0, 40.0, 2.0))]
    wall = found(bench, runs, "small, http", "curl -Z", "wall")
    assert (wall.figure, wall.reached) == (0.5, True)
    assert wall.cells()[4:] == ["0.50", "0.50 .. 1.50", "yes"]
    assert found(bench, runs, "small, http", "curl -Z", "CPU").figure == 0.5
    assert found(bench, runs, "small, https", "curl -Z", "CPU").reached is None


def test_the_better_of_two_is_chosen_per_round_and_only_if_both_were_measured(bench, run):
    runs = [run("chips, http", "ours", n, 2.0, 1.0) for n in range(2)]
    runs += [run("chips, http", "curl", n, wall, 1.0) for n, wall in enumerate((1.0, 4.0))]
    assert found(bench, runs, "chips, http", "the better of curl -Z and wget2", "wall").figures == []
    runs += [run("chips, http", "wget2", n, wall, 1.0) for n, wall in enumerate((4.0, 1.0))]
    row = found(bench, runs, "chips, http", "the better of curl -Z and wget2", "wall")
    assert (list(row.figures), row.reached) == ([2.0, 2.0], False)


def test_a_wrong_copy_is_not_counted(bench, run):
    runs = [run("small, http", "ours", 0, 1.0, 1.0, flaw="a0.bin is missing")]
    runs += [run("small, http", "curl", 0, 2.0, 2.0)]
    assert found(bench, runs, "small, http", "curl -Z", "wall").reached is None


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
