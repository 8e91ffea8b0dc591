"""Words as users of other clients type them, and standard streams that are closed or full."""

import json
import signal
import subprocess
import sys

import pytest

from mlhub_async.core.errors import UsageError
from mlhub_async.core.options import CHOICES, Options, Selection
from support.mirrored import Mirrored, publish
from support.server import tif
from support.stac_server import stac_item, static_catalog


@pytest.fixture
def catalogue(site):
    return static_catalog(site, publish(site, ["a", "b", "c"]))


def on_shell(run_cli, line, *words):
    """Run the program under a shell with the redirections in `line`."""
    return run_cli(*words, under=("sh", "-c", f'"$@" {line}', "sh"))


def test_repeatable_options_take_several_words_as_in_stac_client(run_cli, catalogue, dest):
    assert run_cli("mirror", catalogue, dest, "--ids", "a", "b", "-j", "1").code == 0
    assert {path.name for path in dest.glob("*/*/*.json")} == {"a.json", "b.json"}
    assert len(run_cli("ls", catalogue, "--ids", "a", "c", "--json").events) == 3


def test_a_word_after_a_repeatable_option_is_dest_if_dest_is_missing(run_cli, catalogue, dest):
    assert run_cli("mirror", catalogue, "--ids", "a", dest).code == 0
    assert (dest / "catalog.json").exists()
    assert run_cli("mirror", catalogue, "--ids", "a", dest, "b").code == 2


@pytest.fixture
def bands(site):
    """The address of an item with the assets labels, B04 and B08."""
    assets = {key: site.put(f"/{key}.tif", tif(300)) for key in ("labels", "B04", "B08")}
    return site.json("/item.json", stac_item("one", **assets))


def test_several_words_behind_an_option_mean_the_same_to_every_command(run_cli, bands, dest):
    planned = run_cli("plan", bands, "-i", "labels", "B04", "--json")
    assert planned.code == 0 and planned.events[-1]["assets"] == 2
    turned = run_cli("plan", "-i", "labels", "B04", bands, "--json").events[-1]
    assert (turned["assets"], turned["selection"]) == (2, planned.events[-1]["selection"])
    for words in ([bands, "-i", "labels", "B04"], ["-i", "labels", "B04", bands]):
        refused = run_cli("mirror", *words)
        assert refused.code == 2 and "DEST is missing" in refused.err and "./DEST" in refused.err
    assert not (run_cli.home / "B04").exists()
    assert run_cli("mirror", bands, dest, "-i", "labels", "B04").code == 0
    assert len(Mirrored(dest).files) == 2
    assert run_cli("mirror", bands, "-i", "labels", "B04", "./there").code == 0
    assert len(Mirrored(run_cli.home / "there").files) == 2


def test_a_word_that_a_command_cannot_do_without_is_no_value(run_cli, bands):
    (run_cli.home / "item.json").write_text(json.dumps(stac_item("two", labels="./x.tif", B08="./y.tif")))
    assert run_cli("plan", "-i", "labels", "item.json", "--json").events[-1]["assets"] == 1
    assert run_cli("plan", "-i", "labels", "--role", "x", "item.json").code == 9


def test_ids_take_several_words_if_dest_is_given_with_o(run_cli, catalogue, dest):
    assert run_cli("mirror", catalogue, "-o", dest, "--ids", "a", "b").code == 0
    assert len(list(dest.glob("*/*/*.json"))) == 2


@pytest.mark.parametrize(
    "words", [("ls", "{}"), ("ls", "{}", "--nope"), ("mirror", "{}", "-j", "0"), ("nope",)]
)
def test_the_last_json_line_is_a_summary_after_usage_errors_too(run_cli, catalogue, words):
    done = run_cli(*(word.format(catalogue) for word in words), "--json")
    assert done.events[-1]["event"] == "summary" and done.events[-1]["exit_code"] == done.code
    assert [event.get("event") for event in done.events].count("summary") == 1


@pytest.mark.parametrize("line", [">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_do_not_end_a_run(run_cli, catalogue, dest, line):
    assert on_shell(run_cli, line, "mirror", catalogue, dest, "--json").code == 0
    assert Mirrored(dest).receipt["exit_code"] == 0


@pytest.mark.parametrize(
    "words",
    [
        ("mirror", "{}", "x", "--json"),
        ("ls", "{}"),
        ("plan", "{}"),
        ("-h",),
        ("mirror", "-h"),
        ("mirror", "--help"),
        ("auth", "status", "--help"),
        ("completion", "bash"),
    ],
    ids=" ".join,
)
def test_stdout_on_a_full_disk_is_exit_code_7(run_cli, catalogue, words):
    done = on_shell(run_cli, ">/dev/full", *(word.format(catalogue) for word in words))
    assert done.code == 7 and done.err.count("\n") == 1 and "No space left" in done.err


@pytest.mark.parametrize("line", ["</dev/null", "<&-"])
def test_a_standard_input_that_cannot_be_polled_is_read_too(run_cli, dest, line):
    """And an empty one is no catalogue without items: whatever was to write them has failed."""
    done = on_shell(run_cli, line, "mirror", "-", dest)
    assert done.code == 3 and "standard input is empty" in done.err, done.err


@pytest.mark.parametrize("words", [("", "there"), (".", ""), (".", "-o", "")], ids=str)
def test_an_empty_argument_is_refused_and_does_not_mean_the_current_directory(run_cli, words):
    (run_cli.home / "catalog.json").write_text('{"type": "Catalog", "id": "c", "links": []}')
    done = run_cli("mirror", *words)
    assert done.code == 2 and "is empty" in done.err
    assert [path.name for path in run_cli.home.iterdir()] == ["catalog.json"]


@pytest.mark.parametrize(
    ("source", "root", "message"),
    [
        ("ftp://h.test/x", "", "SOURCE ftp://h.test/x has the scheme 'ftp'"),
        ("http:///x", "", "SOURCE cannot be used, it has no host: http:///x"),
        ("mlhub", "127.0.0.1:80/v1", "MLHUB_ROOT_URL 127.0.0.1:80/v1: write it as an address"),
    ],
)
def test_an_invalid_url_is_named_together_with_the_place_it_was_given_in(
    run_cli, dest, source, root, message
):
    done = run_cli("mirror", source, dest, "-c", "c1", env={"MLHUB_ROOT_URL": root})
    assert done.code == 2 and f"error: {message}" in done.err and not dest.exists()


def test_an_impossible_dest_is_reported_on_one_line(run_cli, catalogue, dest):
    for words in (("mirror", catalogue), ("verify",), ("status",)):
        done = run_cli(*words, dest / ("x" * 300))
        assert done.code == (7 if words[0] == "mirror" else 2)
        assert done.err.count("\n") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="names that are no text")
def test_a_dest_whose_name_is_not_unicode_gets_a_catalogue_with_a_valid_id(run_cli, catalogue, dest):
    place = dest / "caf\udce9"
    assert run_cli("mirror", catalogue, place).code == 0
    assert run_cli("verify", place).code == 0
    assert json.loads((place / "catalog.json").read_text())["id"] == "caf\\udce9"


@pytest.mark.skipif(sys.platform != "linux", reason="locales")
def test_an_id_that_the_locale_cannot_encode_is_reported_with_the_setting_to_change(run_cli, site, dest):
    old = {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    url = static_catalog(site, [stac_item("ü")])
    done = run_cli("mirror", url, dest, env=old)
    assert done.code == 7 and done.err.count("\n") == 1 and "PYTHONUTF8=1" in done.err
    assert run_cli("mirror", url, dest, env=old | {"PYTHONUTF8": "1"}).code == 0


def test_an_unusable_record_is_named_by_its_number(run_cli, site, dest):
    records = [stac_item("a"), 5, stac_item("b"), {"type": "Collection", "id": "c"}]
    url = site.json("/found.json", {"type": "FeatureCollection", "features": records})
    assert run_cli("mirror", url, dest).code == 4
    first, second = (row["error"]["message"] for row in Mirrored(dest).errors)
    assert first.startswith("record 2 of") and second.startswith("record 4 of")
    assert "is a Collection and no item" in second


def test_characters_that_stdout_cannot_encode_are_escaped(run_cli, site):
    url = static_catalog(site, [stac_item("é中", data=site.url("/a.tif"))])
    ascii_only = {"PYTHONIOENCODING": "ascii"}
    assert "\\xe9\\u4e2d" in run_cli("ls", url, env=ascii_only).out
    assert run_cli("ls", url, "--json", env=ascii_only).events[0]["id"] == "é中"


@pytest.mark.parametrize("name", CHOICES)
def test_python_options_refuse_unknown_choices_too(name):
    with pytest.raises(UsageError, match=f"{name}='tpyo': it can be"):
        Options(**{name: "tpyo"})


def test_python_options_accept_a_single_name_or_any_iterable():
    chosen = Selection(collections="labels", ids=["a", "b"], include={"B01"}, bbox=[1, 2, 3, 4])
    assert (chosen.collections, chosen.ids, chosen.include) == (("labels",), ("a", "b"), ("B01",))
    assert chosen.bbox == (1, 2, 3, 4)
    options = Options(headers={"X-Key": "v"}, allow_origins="https://h.test")
    assert [(name, value.reveal()) for name, value in options.headers] == [("X-Key", "v")]
    assert options.allow_origins == ("https://h.test",)


@pytest.mark.parametrize("field", [{"datetime": ("2020", "2021")}, {"query": "eo:cloud_cover<10"}], ids=str)
def test_python_selections_refuse_other_types_and_show_the_right_form(field):
    (name,) = field
    with pytest.raises(UsageError, match=f"{name}=.*: it can be .*(2020-01|cloud_cover)"):
        Selection(**field)


INTERRUPTED = """
import os, runpy, sys
class Finder:
    def find_spec(name, path, target=None):
        if name == "mlhub_async.cli.commands":
            os.kill(os.getpid(), {number})
sys.meta_path.insert(0, Finder)
runpy.run_module("mlhub_async", run_name="__main__")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_the_import_ends_the_program_without_output(number):
    code = INTERRUPTED.format(number=int(number))
    ended = subprocess.run([sys.executable, "-c", code, "-h"], capture_output=True, timeout=100, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (128 + number, b"", b"")


def test_two_values_for_one_condition_of_query_are_refused(run_cli, catalogue):
    refused = run_cli("plan", catalogue, "--query", "gsd!=1", "--query", "gsd!=2")
    assert refused.code == 2 and "--query gsd: 'neq' is given twice" in refused.err
    assert run_cli("plan", catalogue, "--query", "gsd>1", "--query", "gsd>1", "--allow-empty").code == 0
