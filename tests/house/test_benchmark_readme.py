"""The tables in benchmarks/README.md are those that the measured figures give."""

import argparse
import json
import zlib
from pathlib import Path

ROOT = Path(__file__).parents[2]
HOME = ROOT / "benchmarks"


def results_of(bench):
    results = bench("results")
    return results.read(HOME / "figures.json"), results.read(HOME / "pacing.json")


def test_the_tables_are_those_that_the_measured_figures_give(bench):
    readme = bench("readme")
    tables = readme.tables(*results_of(bench))
    assert f"{readme.BEGIN}\n\n{tables}\n\n{readme.END}\n" in (HOME / "README.md").read_text()


def test_the_picture_is_small_and_of_the_same_run():
    picture = (HOME / "figures.png").read_bytes()
    assert len(picture) < 100 << 10
    assert json.loads((HOME / "figures.json").read_text())["command"] in texts(picture)


def texts(picture):
    """The texts in the metadata of a PNG; checks its CRCs."""
    found, at = [], 8
    while at < len(picture):
        size = int.from_bytes(picture[at : at + 4])
        kind, data = picture[at + 4 : at + 8], picture[at + 8 : at + 8 + size]
        assert zlib.crc32(kind + data) == int.from_bytes(picture[at + 8 + size : at + 12 + size])
        if kind == b"tEXt":
            found.append(data.partition(b"\0")[2].decode("latin-1"))
        at += 12 + size
    return found


def test_tables_are_written_between_the_comments_only(bench, tmp_path, capsys):
    readme = bench("readme")
    page = tmp_path / "README.md"
    words = [str(HOME / "figures.json"), str(HOME / "pacing.json"), str(page)]
    page.write_text(f"before\n{readme.BEGIN}\nold\n{readme.END}\nafter\n")
    assert readme.main(words) == 0
    written = page.read_text()
    assert written.startswith(f"before\n{readme.BEGIN}\n\n")
    assert written.endswith(f"\n\n{readme.END}\nafter\n")
    assert "old" not in written
    page.write_text("no place\n")
    assert readme.main(words) == 2
    assert page.read_text() == "no place\n"
    assert "has no place for the tables" in capsys.readouterr().err


def test_all_runs_every_step_in_order_and_changes_no_page_if_it_writes_elsewhere(bench, tmp_path):
    every = bench("all")
    here = every.steps(argparse.Namespace(into=HOME, rounds=3, scale=1.0), "peers/bin/python")
    scripts = [words[1] for words in here]
    assert scripts == ["targets.py", "pacing.py", "small_file_profile.py", "plot.py", "readme.py"]
    assert all((HOME / script).is_file() for script in scripts)
    assert here[-1][-1] == str(HOME / "README.md")
    elsewhere = every.steps(argparse.Namespace(into=tmp_path, rounds=1, scale=0.1), "peers/bin/python")
    assert not any(str(HOME) in word or "README" in word for words in elsewhere for word in words[2:])
