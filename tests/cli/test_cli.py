"""The command line: every option, values, exit codes, `configure`, signals, `serve-demo`."""

import contextlib
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from mlhub_async.cli import main_group
from mlhub_async.cli.app import Command
from mlhub_async.cli.arguments import join_bbox
from mlhub_async.cli.commands import READING, options_of
from mlhub_async.cli.help.sections import OTHER_SECTION, Option
from mlhub_async.cli.help.texts import EXAMPLES, USUAL
from mlhub_async.cli.options import to_options
from mlhub_async.cli.terminal import console
from mlhub_async.core.errors import StorageError
from mlhub_async.core.options import Options
from mlhub_async.core.secret import Secret
from mlhub_async.demo import DemoConfig
from mlhub_async.http.auth import profiles
from mlhub_async.http.auth.profiles import profile_key, profiles_path

SQUARE = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}

NOT_THE_DEFAULT = {
    "--collection": ("a", ("selection", "collections"), ("a",)),
    "--dataset": ("d", ("selection", "dataset"), "d"),
    "--ids": ("i", ("selection", "ids"), ("i",)),
    "--bbox": ("-1,-2,3,4", ("selection", "bbox"), (-1.0, -2.0, 3.0, 4.0)),
    "--intersects": (
        '{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,0]]]}',
        ("selection", "intersects"),
        SQUARE,
    ),
    "--datetime": (
        "2018-01-01T00:00:00Z/..",
        ("selection", "datetime"),
        "2018-01-01T00:00:00Z/..",
    ),
    "--query": ("eo:cloud_cover<10", ("selection", "query"), {"eo:cloud_cover": {"lt": 10}}),
    "--filter": ("eo:cloud_cover < 10", ("selection", "filter"), "eo:cloud_cover < 10"),
    "--limit": ("50", ("selection", "limit"), 50),
    "--split": ("4", ("selection", "split"), 4),
    "--group-by": ("stem", ("selection", "group_by"), "stem"),
    "--open-archives": (None, ("selection", "open_archives"), True),
    "--max-items": ("5", ("selection", "max_items"), 5),
    "--method": ("post", ("selection", "method"), "POST"),
    "--include": ("B0*", ("selection", "include"), ("B0*",)),
    "--exclude": ("B09", ("selection", "exclude"), ("B09",)),
    "--role": ("data", ("selection", "roles"), ("data",)),
    "--media-type": ("image/tiff", ("selection", "media_types"), ("image/tiff",)),
    "--min-size": ("1K", ("selection", "min_size"), 1024),
    "--max-size": ("2M", ("selection", "max_size"), 2 * 1024**2),
    "--class": ("Wheat", ("selection", "classes"), ("Wheat",)),
    "--subset": ("validation", ("selection", "subset"), "validation"),
    "--source-query": ("a<1", ("selection", "source_query"), {"a": {"lt": 1}}),
    "--source-datetime": ("2020-01-01/..", ("selection", "source_datetime"), "2020-01-01T00:00:00Z/.."),
    "--source-include": ("B*", ("selection", "source_include"), ("B*",)),
    "--source-exclude": ("B0*", ("selection", "source_exclude"), ("B0*",)),
    "--no-follow-sources": (None, ("selection", "follow_sources"), False),
    "--concurrency": ("7", ("concurrency",), 7),
    "--max-per-host": ("3", ("max_per_host",), 3),
    "--processes": ("4", ("processes",), 4),
    "--scheduler": ("tcp://127.0.0.1:8786", ("scheduler",), "tcp://127.0.0.1:8786"),
    "--bwlimit": ("10M", ("bwlimit",), 10 * 1024**2),
    "--tpslimit": ("2.5", ("tpslimit",), 2.5),
    "--retries": ("0", ("retry", "attempts"), 1),
    "--connect-timeout": ("3", ("connect_timeout",), 3.0),
    "--timeout": ("2m", ("timeout",), 120.0),
    "--min-speed": ("0", ("min_speed",), 0),
    "--if-exists": ("refresh", ("if_exists",), "refresh"),
    "--verify": ("deep", ("verify",), "deep"),
    "--durability": ("full", ("durability",), "full"),
    "--on-full": ("pause", ("on_full",), "pause"),
    "--path-template": ("${collection}/${key}${ext}", ("path_template",), "${collection}/${key}${ext}"),
    "--asset-hrefs": ("absolute", ("asset_hrefs",), "absolute"),
    "--index": (None, ("index",), True),
    "--ro-crate": (None, ("ro_crate",), True),
    "--croissant": (None, ("croissant",), True),
    "--enrich": (None, ("enrich",), True),
    "--layout": ("torchgeo", ("layout",), "torchgeo"),
    "--allow-empty": (None, ("allow_empty",), True),
    "--full-every": ("7", ("full_every",), 7),
    "--metrics": ("m.prom", ("metrics",), "m.prom"),
    "--fail-fast": (None, ("fail_fast",), True),
    "--prune": (None, ("prune",), True),
    "--max-delete": ("0", ("max_delete",), 0),
    "--max-errors": ("0", ("max_errors",), 0),
    "--max-transfer": ("1.5G", ("max_transfer",), 3 * 1024**3 // 2),
    "--max-outage": ("10m", ("max_outage",), 600.0),
    "--max-duration": ("1h", ("max_duration",), 3600.0),
    "--allow-private": (None, ("allow_private",), True),
    "--allow-origin": ("https://CDN.example:443", ("allow_origins",), ("https://cdn.example",)),
    "--endpoint-url": ("http://s3.test", ("endpoint_url",), "http://s3.test"),
    "--state": ("state", ("state",), "state"),
    "--shard": ("03/16", ("shard",), "3/16"),
    "--ca-file": (__file__, ("ca_file",), __file__),
    "--transport": ("aiohttp", ("transport",), "aiohttp"),
    "--parts": ("off", ("parts",), 1),
    "--proxy": ("http://p:1", ("proxy",), Secret("http://p:1")),
    "--auth": ("a.test=s3", ("auth",), ("a.test=s3",)),
    "--reference": ("/mirrors/one", ("references",), ("/mirrors/one",)),
    "--from": ("http://moved.test", ("from_source",), "http://moved.test"),
    "--token-file": ("t.json", ("token_file",), "t.json"),
    "--request-payer": ("requester", ("request_payer",), "requester"),
    "--netrc": (None, ("netrc",), True),
    "--header": ("X-A: b=c: d", ("headers",), (("X-A", Secret("b=c: d")),)),
    "--api-key": ("k", ("api_key",), Secret("k")),
    "--api-token": ("t", ("api_token",), Secret("t")),
    "--profile": ("p", ("profile",), "p"),
}


mirror_options = options_of(*READING, "FILES", "LIMITS", "PRUNE", "FULL_LISTING", "METRICS")


def read(*args):
    """The Options for these words, by the declarations that `mirror` uses."""
    found = []

    @click.command(cls=Command, declared=mirror_options)
    def command(**given):
        found.append(to_options(given))

    command.main(list(args), standalone_mode=False)
    return found[0]


def value(options, path):
    for name in path:
        options = getattr(options, name)
    return options


def leaves():
    """The path of every field of Options, those of Selection and RetryPolicy included."""
    for field in dataclasses.fields(Options):
        default = getattr(Options(), field.name)
        if field.name == "retry":
            yield ("retry", "attempts")
        elif dataclasses.is_dataclass(default):
            yield from ((field.name, part.name) for part in dataclasses.fields(default))
        else:
            yield (field.name,)


def error_line(result):
    """The stderr of a failed command, which is one line and no traceback."""
    assert "Traceback" not in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("mlhub-async: error: ")
    return result.stderr


class TestEveryOptionReachesOptions:
    @pytest.mark.parametrize("name", NOT_THE_DEFAULT)
    def test_its_value_is_set_in_its_field_and_in_no_other(self, name):
        given, path, expected = NOT_THE_DEFAULT[name]
        options = read(name) if given is None else read(name, given)
        assert value(options, path) == expected
        changed = [leaf for leaf in leaves() if value(options, leaf) != value(Options(), leaf)]
        assert changed == [path]

    def test_no_field_lacks_an_option(self):
        assert {path for _, path, _ in NOT_THE_DEFAULT.values()} == set(leaves())

    def test_no_option_is_missing_from_this_table(self):
        for option in mirror_options():
            assert set(NOT_THE_DEFAULT) & {*option.opts, *option.secondary_opts}, option.opts

    def test_without_options_the_defaults_apply(self):
        assert read() == Options()

    @pytest.mark.parametrize(
        ("alias", "name"),
        [
            ("--collections", "--collection"),
            ("-c", "--collection"),
            ("--jobs", "--concurrency"),
            ("-j", "--concurrency"),
            ("--max-concurrent-downloads", "--concurrency"),
            ("--limit-rate", "--bwlimit"),
            ("--max-splits", "--parts"),
            ("-R", "--retries"),
            ("-p", "--path-template"),
            ("-i", "--include"),
            ("-x", "--exclude"),
            ("-H", "--header"),
        ],
    )
    def test_the_names_of_other_tools_are_aliases(self, alias, name):
        given, path, expected = NOT_THE_DEFAULT[name]
        assert value(read(alias, given), path) == expected


class TestValues:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [("0", 0), ("10", 10), ("10k", 10240), ("1KiB", 1024), ("2 MB", 2 * 1024**2), ("0.5g", 1024**3 // 2)],
    )
    def test_sizes_are_bytes_in_powers_of_1024(self, text, expected):
        assert read("--min-size", text).selection.min_size == expected

    @pytest.mark.parametrize(
        ("option", "text"),
        [
            ("--min-size", "-1"),
            ("--min-size", "10X"),
            ("--min-size", "nan"),
            ("--bwlimit", "0"),
            ("--tpslimit", "0"),
            ("--tpslimit", "inf"),
            ("--timeout", "0"),
            ("--timeout", "soon"),
            ("-j", "0"),
            ("-j", "many"),
            ("-R", "-1"),
            ("--limit", "0"),
            ("--bbox", "1,2,3"),
            ("--bbox", "1,2,3,nan"),
            ("--bbox", "0,50,1,40"),
            ("--bbox", "45,181,46,182"),
            ("--intersects", '{"type":"Circle","coordinates":[]}'),
            ("--intersects", "{"),
            ("--intersects", "@/no/such/file"),
            ("--intersects", '{"type":"FeatureCollection","features":[{},{}]}'),
            ("--datetime", "yesterday"),
            ("--datetime", "2018-13"),
            ("--datetime", "2018-02-30"),
            ("--datetime", "../.."),
            ("--datetime", "2019/2018"),
            ("--query", "cloudy"),
            ("--query", '{"a": 1}'),
            ("--query", "[]"),
            ("--filter", "{"),
            ("--header", "novalue"),
            ("--header", "Host: x"),
            ("--api-key", "@/no/such/file"),
            ("--api-key", " "),
            ("--path-template", "${nonsense}"),
            ("--allow-origin", "cdn.example"),
            ("--allow-origin", "https://"),
            ("--ca-file", "/no/such/file"),
            ("--if-exists", "maybe"),
        ],
    )
    def test_an_invalid_value_is_a_usage_error(self, option, text):
        with pytest.raises(click.UsageError):
            read(option, text)

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("2018", "2018-01-01T00:00:00Z/2018-12-31T23:59:59.999999Z"),
            ("2018-02", "2018-02-01T00:00:00Z/2018-02-28T23:59:59.999999Z"),
            ("2018-02-03", "2018-02-03T00:00:00Z/2018-02-03T23:59:59.999999Z"),
            ("2018/2019", "2018-01-01T00:00:00Z/2019-12-31T23:59:59.999999Z"),
            ("/2019-06", "../2019-06-30T23:59:59.999999Z"),
            ("2018-01-01T02:00:00+02:00", "2018-01-01T00:00:00Z"),
            ("2018-01-01t00:00:00.5z/..", "2018-01-01T00:00:00.500000Z/.."),
        ],
    )
    def test_dates_are_parsed_as_stac_client_does(self, text, expected):
        assert read("--datetime", text).selection.datetime == expected

    @pytest.mark.parametrize("numbers", ["-1 -2 3 4", "-1,-2,3,4", "-1, -2, 3, 4", "-1 -2 0 3 4 9"])
    def test_a_box_is_four_or_six_words_or_one_word_with_commas(self, numbers):
        words = numbers.split()
        box = read("--bbox", *words, "--limit", "3").selection.bbox
        assert box == tuple(float(word.strip(",")) for word in numbers.replace(",", " ").split())

    def test_a_box_does_not_take_the_positional_argument_after_it(self):
        assert join_bbox(["--bbox", "1", "2", "3", "4", "dest"]) == ["--bbox=1 2 3 4", "dest"]
        assert join_bbox(["--bbox", "1", "2", "3", "4", "5"]) == ["--bbox=1 2 3 4", "5"]
        assert join_bbox(["--bbox", "1", "2"]) == ["--bbox", "1", "2"]

    def test_box_and_geometry_together_are_refused(self):
        with pytest.raises(click.UsageError, match="one"):
            read("--bbox", "1,2,3,4", "--intersects", NOT_THE_DEFAULT["--intersects"][0])

    @pytest.mark.parametrize("wrap", ["{}", '{{"type":"Feature","geometry":{}}}'])
    def test_a_geometry_can_be_a_feature_and_can_be_in_a_file(self, tmp_path, wrap):
        geojson = wrap.format(NOT_THE_DEFAULT["--intersects"][0])
        (tmp_path / "area.json").write_text(geojson)
        for text in (geojson, f"@{tmp_path}/area.json", f"{tmp_path}/area.json"):
            assert read("--intersects", text).selection.intersects == SQUARE

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("a>=1", {"a": {"gte": 1}}),
            ("a <= 1.5", {"a": {"lte": 1.5}}),
            ("platform=sentinel-2a", {"platform": {"eq": "sentinel-2a"}}),
            ("a<>x", {"a": {"neq": "x"}}),
            ('{"a":{"in":[1,2]}}', {"a": {"in": [1, 2]}}),
        ],
    )
    def test_a_query_is_json_or_a_condition(self, text, expected):
        assert read("--query", text).selection.query == expected

    def test_two_conditions_on_one_property_both_apply(self):
        assert read("--query", "a>1", "--query", "a<5").selection.query == {"a": {"gt": 1, "lt": 5}}

    def test_a_filter_in_json_is_parsed(self):
        assert read("--filter", '{"op":"=","args":[1,1]}').selection.filter == {"op": "=", "args": [1, 1]}

    def test_a_secret_can_be_read_from_a_file(self, tmp_path):
        (tmp_path / "key").write_text("sesame\n")
        assert read("--api-key", f"@{tmp_path}/key").api_key == Secret("sesame")

    @pytest.mark.parametrize("text", ["X-A: b", "X-A=b", "X-A :b"])
    def test_a_header_can_be_written_with_a_colon_or_an_equals_sign(self, text):
        assert read("-H", text).headers == (("X-A", Secret("b")),)

    @pytest.mark.parametrize("text", ["https://host.test", "http=//host.test", "HTTPS://host.test/path"])
    def test_a_host_without_a_header_is_none(self, text):
        result = CliRunner().invoke(main_group, ["mirror", "https://host.test/c.json", "d", "-H", text])
        assert result.exit_code == 2 and "names a host, but no header" in error_line(result)

    def test_auto_and_infinite_are_accepted_as_numbers(self):
        assert read("-j", "auto").concurrency is None
        assert read("-R", "infinite").retry.attempts > 10**6


class TestExitCodes:
    @pytest.mark.parametrize("args", [["nonsense"], ["configure", "--nonsense"], ["configure", "surplus"]])
    def test_a_usage_error_is_one_line_and_exit_code_2(self, args):
        result = CliRunner().invoke(main_group, args)
        assert result.exit_code == 2
        assert "-h'" in error_line(result)

    def test_without_a_command_the_help_is_shown_with_exit_code_2(self):
        result = CliRunner().invoke(main_group, [])
        assert (result.exit_code, result.stdout) == (2, "")
        assert "Usage:" in result.stderr

    def test_an_expected_error_is_one_terminal_safe_line_with_its_exit_code(self, monkeypatch):
        def failing(*args):
            raise StorageError("/data is full:\nno \x1b[31mspace")

        monkeypatch.setattr(profiles, "write_profile", failing)
        result = CliRunner().invoke(main_group, ["configure"], input="k\n")
        assert result.exit_code == StorageError.exit_code == 7
        assert error_line(result) == "mlhub-async: error: /data is full: no \\x1b[31mspace\n"

    def test_an_unexpected_exception_is_not_hidden(self, monkeypatch):
        def failing(*args):
            raise ZeroDivisionError

        monkeypatch.setattr(profiles, "write_profile", failing)
        result = CliRunner().invoke(main_group, ["configure"], input="k\n")
        assert result.exit_code == 1
        assert isinstance(result.exception, ZeroDivisionError)

    def test_json_ends_with_a_summary_after_an_unexpected_exception_too(self, monkeypatch, tmp_path):
        def failing(*args):
            raise ZeroDivisionError

        monkeypatch.setattr(console, "run", failing)
        result = CliRunner().invoke(main_group, ["mirror", "mlhub", str(tmp_path), "--json"])
        assert isinstance(result.exception, ZeroDivisionError)
        summary = json.loads(result.stdout)
        assert (summary["event"], summary["exit_code"], summary["error"]["class"]) == ("summary", 1, "bug")

    @pytest.mark.parametrize("args", [["-h"], ["--help"], ["--version"], ["-V"], ["configure", "-h"]])
    def test_help_goes_to_stdout_with_exit_code_0(self, args):
        result = CliRunner().invoke(main_group, args)
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout

    def test_every_option_is_in_a_section_of_the_help(self):
        for name, command in main_group.commands.items():
            for option in command.params:
                assert isinstance(option, click.Argument) or option.section != OTHER_SECTION, (
                    name,
                    option,
                )

    def test_the_help_lists_each_section_once_in_its_order(self):
        text = CliRunner().invoke(main_group, ["mirror", "--help"]).stdout
        titles = re.findall(r"^([A-Z]\w+(?: \w+)?):$", text, re.MULTILINE)
        sections = "Selection Transfer Network Credentials Files Limits Prune Repetition Plan Output Other"
        assert titles == [*sections.split(" "), "Examples", "Exit codes"]

    def test_the_short_help_has_the_usual_options_and_the_way_to_all(self):
        short, long = (CliRunner().invoke(main_group, ["mirror", word]).stdout for word in ("-h", "--help"))
        assert len(short.splitlines()) < len(long.splitlines()) / 2
        assert "--max-outage" in long and "--max-outage" not in short
        assert re.search(r"^All options, .* mirror --help$", short, re.MULTILINE)

    def test_the_short_help_of_a_listing_has_no_transfer_option(self):
        text = CliRunner().invoke(main_group, ["ls", "-h"]).stdout
        assert "Transfer:" not in text and "--concurrency" not in text

    def test_the_help_shows_one_spelling_of_each_option(self):
        text = CliRunner().invoke(main_group, ["mirror", "--help"]).stdout
        for alias in ("--collections", "--jobs", "--max-workers", "--limit-rate", "--roles", "--max-splits"):
            assert alias not in text

    def test_the_usual_options_exist(self):
        shown = {
            one.shown
            for command in main_group.commands.values()
            for one in command.params
            if isinstance(one, Option)
        }
        assert shown >= USUAL

    def test_every_command_has_examples_that_are_parsed(self):
        assert set(EXAMPLES) == set(main_group.commands)
        for name, examples in EXAMPLES.items():
            for _, line in examples:
                assert f"mlhub-async {name}" in line
                words = re.search(rf"mlhub-async {name} ?([^>\")]*)", line)[1].split()
                main_group.commands[name].make_context(name, words)

    def test_the_help_of_the_sample_shows_the_defaults_of_its_configuration(self):
        text = CliRunner().invoke(main_group, ["demo", "--help"]).stdout
        for name in ("items", "dates"):
            assert re.search(rf"--{name} N .*\[default: {getattr(DemoConfig(), name)}\]", text)

    def test_every_command_and_option_has_help(self):
        for name, command in main_group.commands.items():
            assert command.help, name
            for option in command.params:
                assert isinstance(option, click.Argument) or option.help, (name, option.opts)


class TestConfigure:
    @pytest.fixture(autouse=True)
    def home(self, tmp_path, monkeypatch):
        monkeypatch.setenv("MLHUB_HOME", str(tmp_path / "home"))

    @pytest.mark.parametrize(("args", "typed"), [(["--api-key", "sesame"], ""), ([], "sesame\n")])
    def test_the_key_given_or_piped_is_stored_and_never_shown(self, args, typed):
        result = CliRunner().invoke(main_group, ["configure", "--profile", "p", *args], input=typed)
        assert result.exit_code == 0
        assert "sesame" not in result.output
        assert profile_key(profiles_path(), "p") == "sesame"

    def test_an_empty_key_is_a_usage_error(self):
        assert "empty" in error_line(CliRunner().invoke(main_group, ["configure"], input=""))


class TestProcess:
    def run(self, *args, **how):
        return subprocess.run(
            [sys.executable, *args], capture_output=True, text=True, timeout=100, check=False, **how
        )

    def test_python_m_runs_the_program(self):
        assert self.run("-m", "mlhub_async", "--version").stdout.startswith("mlhub-async, version ")

    def test_help_imports_no_heavy_module(self):
        script = (
            "import sys\nfrom mlhub_async.cli import main_group\n"
            "try:\n main_group.main(['mirror', '-h'])\nexcept SystemExit: pass\n"
            "print({'aiohttp', 'tqdm', 'asyncio', 'uvloop', 'sqlite3'} & set(sys.modules))"
        )
        assert self.run("-c", script).stdout.splitlines()[-1] == "set()"

    def test_a_closed_pipe_ends_the_program_with_141_and_no_message(self):
        read_end, write_end = os.pipe()
        os.close(read_end)
        with os.fdopen(write_end, "w") as gone:
            done = subprocess.run(
                [sys.executable, "-m", "mlhub_async", "-h"],
                stdout=gone,
                stderr=subprocess.PIPE,
                text=True,
                timeout=100,
                check=False,
            )
        assert (done.returncode, done.stderr) == (141, "")


class TestSignals:
    """The effect of signals on a process whose work is a coroutine in a script of its own."""

    SCRIPT = """
import asyncio, sys, time
from mlhub_async.cli.terminal import runner
{setup}
async def work():
    try:
        print('ready', flush=True)
        {work}
    finally:
        print('cleaned up', flush=True)
    return 4
sys.exit(runner.run(work, runner.Stop(lambda line: print(line, flush=True))))
"""

    @contextlib.contextmanager
    def working(self, work, setup=""):
        script = self.SCRIPT.format(work=work, setup=setup)
        with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout.readline() == "ready\n"
                yield process
            finally:
                process.kill()

    @pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
    def test_the_first_signal_lets_the_work_clean_up_and_sets_the_exit_code(self, name, code):
        with self.working("await asyncio.sleep(60)") as process:
            process.send_signal(getattr(signal, name))
            assert process.wait(40) == code
            assert process.stdout.read() == f"{name}: stopping; a second signal stops at once\ncleaned up\n"

    def test_the_second_signal_ends_the_process_at_once(self):
        stubborn = "await asyncio.to_thread(time.sleep, 60)"
        with self.working(stubborn) as process:
            process.send_signal(signal.SIGINT)
            assert process.stdout.readline().startswith("SIGINT")
            assert self.ended_by(process, signal.SIGTERM) == 143

    @staticmethod
    def ended_by(process, number):
        """The exit code of a process that is signalled until it ends: at first that is the same stop."""
        while True:
            process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(0.2)

    @pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGHUP])
    def test_one_stop_that_is_told_twice_is_one_stop(self, second):
        with self.working("await asyncio.sleep(60)") as process:
            process.send_signal(signal.SIGTERM)
            process.send_signal(second)
            assert process.wait(40) in (143, 128 + second)
            assert process.stdout.read().endswith("stopping; a second signal stops at once\ncleaned up\n")

    def test_the_second_signal_works_while_the_loop_is_not_running(self):
        setup = """
def slowly(self, close=asyncio.Runner.close):
    print('between two runs', flush=True)
    time.sleep(9)
    close(self)
asyncio.Runner.close = slowly
"""
        with self.working("await asyncio.to_thread(time.sleep, 60)", setup) as process:
            process.send_signal(signal.SIGINT)
            while process.stdout.readline() != "between two runs\n":
                pass
            assert self.ended_by(process, signal.SIGTERM) == 143

    def test_work_that_does_not_stop_in_time_is_ended(self):
        setup = "runner.STOP_SECONDS = 0.1"
        with self.working("await asyncio.to_thread(time.sleep, 60)", setup) as process:
            process.send_signal(signal.SIGTERM)
            assert process.wait(40) == 143

    def test_a_run_started_by_nohup_outlives_its_terminal(self):
        setup = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)"
        with self.working("await asyncio.sleep(0.05)", setup) as process:
            process.send_signal(signal.SIGHUP)
            assert process.wait(40) == 4

    def test_a_cancellation_without_a_signal_prints_a_traceback(self):
        with self.working("raise asyncio.CancelledError", "sys.stderr = sys.stdout") as process:
            assert process.wait(40) == 1
            assert "Traceback" in process.stdout.read()


class TestServeDemo:
    def test_it_prints_its_address_and_runs_until_a_signal(self):
        command = [sys.executable, "-m", "mlhub_async", "serve-demo", "--items", "1"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            try:
                announced = "".join(process.stdout.readline() for _ in range(5))
                process.send_signal(signal.SIGTERM)
                assert process.wait(40) == 143
                assert "Traceback" not in process.stderr.read()
            finally:
                process.kill()
        assert re.search(r"MLHUB_ROOT_URL=http://127\.0\.0\.1:\d+/\S+ MLHUB_API_KEY=\S+", announced)
        assert "mlhub-async mirror" in announced

    @pytest.mark.parametrize(
        "args", [["--items", "0"], ["--errors", "2"], ["--port", "70000"], ["--errors", "x"]]
    )
    def test_an_invalid_size_is_a_usage_error(self, args):
        result = CliRunner().invoke(main_group, ["serve-demo", *args])
        assert result.exit_code == 2
        assert error_line(result)
