"""Options from the command line, MLHUB_* variables and configuration files: which wins, what is refused."""

import json

import click
import pytest
from click.testing import CliRunner

from cli.test_cli import NOT_THE_DEFAULT, value
from mlhub_async.cli import main_group
from mlhub_async.cli.app import Command
from mlhub_async.cli.commands import READING, options_of
from mlhub_async.cli.options import to_options
from mlhub_async.cli.settings import config_files, user_file
from mlhub_async.cli.settings.config_files import _TRUSTED_ONLY
from mlhub_async.cli.settings.precedence import name_of, variable_of
from mlhub_async.core.options import Options
from support.server import tif
from support.stac_server import stac_item, static_catalog

MIRROR_OPTIONS = options_of(*READING, "FILES", "LIMITS", "PRUNE", "FULL_LISTING", "METRICS")
OF_OPTION = {name: one for one in MIRROR_OPTIONS() for name in [*one.opts, *one.secondary_opts]}
BY_KEY_RESOLUTION = ("--api-key", "--profile")
"""Their variables are resolved with the profiles file, after an explicit --profile."""


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An empty home and an empty current directory."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("MLHUB_CONFIG", raising=False)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def read(*args):
    """The Options for these words, by a command named `mirror`."""
    found = []

    @click.command("mirror", cls=Command, declared=MIRROR_OPTIONS)
    def command(**given):
        found.append(to_options(given))

    command.main(list(args), standalone_mode=False)
    return found[0]


def write_user(home, text):
    folder = home / "config" / "mlhub-async"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.toml").write_text(text)


def write_local(home, text):
    (home / "here" / "mlhub.toml").write_text(text)


def toml(name):
    """The option as a line of a configuration file."""
    given, _, _ = NOT_THE_DEFAULT[name]
    option = OF_OPTION[name]
    if given is None:
        return f"{name_of(option)} = {'false' if name in option.secondary_opts else 'true'}"
    return f"{name_of(option)} = {json.dumps([given] if option.multiple else given)}"


def variable(name):
    """The variable of the option, and its text."""
    given, _, _ = NOT_THE_DEFAULT[name]
    option = OF_OPTION[name]
    text = given if given is not None else "false" if name in option.secondary_opts else "true"
    return variable_of(option), text


class TestEveryOption:
    @pytest.mark.parametrize("name", NOT_THE_DEFAULT)
    def test_the_users_file_sets_it(self, home, name):
        write_user(home, toml(name))
        _, path, expected = NOT_THE_DEFAULT[name]
        assert value(read(), path) == expected

    @pytest.mark.parametrize("name", NOT_THE_DEFAULT)
    def test_the_file_of_the_directory_sets_it_unless_it_decides_who_sees_keys(self, home, name):
        write_local(home, toml(name))
        _, path, expected = NOT_THE_DEFAULT[name]
        if name.removeprefix("--") in _TRUSTED_ONLY:
            with pytest.raises(config_files.UsageError, match="somebody else's"):
                read()
        else:
            assert value(read(), path) == expected

    @pytest.mark.parametrize("name", [one for one in NOT_THE_DEFAULT if one not in BY_KEY_RESOLUTION])
    def test_its_variable_sets_it(self, monkeypatch, name):
        monkeypatch.setenv(*variable(name))
        _, path, expected = NOT_THE_DEFAULT[name]
        assert value(read(), path) == expected

    @pytest.mark.parametrize("name", NOT_THE_DEFAULT)
    def test_the_command_line_wins_over_both(self, home, monkeypatch, name):
        given, path, expected = NOT_THE_DEFAULT[name]
        option = OF_OPTION[name]
        if option.is_flag:
            write_user(home, f"{name_of(option)} = {'true' if name in option.secondary_opts else 'false'}")
        else:
            write_user(home, f"{name_of(option)} = 'of no use'")
            if name not in BY_KEY_RESOLUTION:
                monkeypatch.setenv(variable_of(option), "of no use")
        assert value(read(name) if given is None else read(name, given), path) == expected


class TestPrecedence:
    def test_each_level_wins_over_the_next(self, home, monkeypatch):
        levels = []
        write_user(home, "concurrency = 1")
        levels.append(read().concurrency)
        write_local(home, "concurrency = 2")
        levels.append(read().concurrency)
        write_local(home, "concurrency = 2\n[mirror]\nconcurrency = 3")
        levels.append(read().concurrency)
        monkeypatch.setenv("MLHUB_CONCURRENCY", "4")
        levels.append(read().concurrency)
        levels.append(read("-j", "5").concurrency)
        assert levels == [1, 2, 3, 4, 5]

    def test_a_table_of_another_command_does_not_apply(self, run_cli):
        (run_cli.home / "mlhub.toml").write_text("[plan]\nconcurrency = 3\n[ls]\nlimit = 9")
        done = run_cli("ls", "/no/such/file", "-v")
        assert done.code == 3
        assert "set: --limit (./mlhub.toml: ls.limit)" in done.err
        assert "--concurrency" not in done.err

    @pytest.mark.parametrize(
        ("file", "words", "path", "expected"),
        [
            ("bbox = [1, 2, 3, 4]", ["--intersects", NOT_THE_DEFAULT["--intersects"][0]], "bbox", None),
            ("layout = 'torchgeo'", ["-p", "${key}${ext}"], "layout", None),
            ("profile = 'mine'", ["--api-key", "k"], "profile", None),
        ],
    )
    def test_what_is_given_replaces_its_alternatives(self, home, file, words, path, expected):
        write_user(home, file)
        options = read(*words)
        assert getattr(options.selection, path, getattr(options, path, None)) == expected

    def test_a_key_variable_replaces_the_profile_of_a_file(self, home, monkeypatch):
        write_user(home, "profile = 'mine'")
        assert read().profile == "mine"
        monkeypatch.setenv("MLHUB_API_KEY", "k")
        assert read().profile is None

    def test_a_variable_has_one_value_per_line_of_a_repeatable_option(self, monkeypatch):
        monkeypatch.setenv("MLHUB_HEADER", "X-A: b c\nX-B: d")
        assert [name for name, _ in read().headers] == ["X-A", "X-B"]

    def test_an_empty_variable_is_not_set(self, monkeypatch):
        monkeypatch.setenv("MLHUB_CONCURRENCY", "")
        assert read() == Options()

    def test_underscores_and_tables_are_accepted_in_files(self, home):
        write_user(home, "max_per_host = 3\n[query]\n'eo:cloud_cover' = { lt = 10 }")
        assert read().max_per_host == 3
        assert read().selection.query == {"eo:cloud_cover": {"lt": 10}}

    def test_one_file_can_be_named_in_place_of_both(self, home, monkeypatch):
        write_user(home, "concurrency = 1")
        (home / "other.toml").write_text("max-per-host = 7")
        monkeypatch.setenv("MLHUB_CONFIG", str(home / "other.toml"))
        assert (read().concurrency, read().max_per_host) == (None, 7)
        monkeypatch.setenv("MLHUB_CONFIG", "")
        assert read() == Options()


class TestRefused:
    def run(self, *args):
        result = CliRunner().invoke(main_group, list(args))
        assert result.exit_code == 2
        assert result.stderr.count("\n") == 1
        return result.stderr

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("concurency = 3", "no option 'concurency'; did you mean 'concurrency'?"),
            ("[mirror]\nkills = 3", "no option 'mirror.kills'"),
            ("concurrency = ", "is no TOML"),
            ("concurrency = true", "takes N|auto, not true"),
            ("prune = 'yes'", "is true or false"),
            ("concurrency = 'many'", "config.toml: concurrency"),
            ("bbox = [1, 2]", "config.toml: bbox"),
        ],
    )
    def test_a_wrong_file_is_named_with_the_place(self, home, text, message):
        write_user(home, text)
        assert message in self.run("mirror", "x.json", "./dest")

    def test_a_wrong_variable_is_named(self, monkeypatch):
        monkeypatch.setenv("MLHUB_CONCURRENCY", "many")
        assert "from MLHUB_CONCURRENCY" in self.run("mirror", "x.json", "./dest")

    @pytest.mark.parametrize("table", ["", "mirror."])
    def test_two_spellings_of_one_option_are_refused(self, home, table):
        write_user(home, f"{'[mirror]' if table else ''}\nmax_items = 3\nmax-items = 4\n")
        wrong = self.run("mirror", "x.json", "./dest")
        assert f"config.toml: {table}max_items and {table}max-items are one option" in wrong

    @pytest.mark.parametrize("where", ["variable", "file"])
    def test_the_shard_of_a_mirror_is_not_one_of_other_commands(self, run_cli, where):
        source, path = run_cli.home / "i.json", run_cli.home / ".config/mlhub-async/config.toml"
        source.write_text('{"type": "FeatureCollection", "features": []}')
        env = {"MLHUB_SHARD": "1/2"} if where == "variable" else {}
        if where == "file":
            path.parent.mkdir(parents=True)
            path.write_text("shard = '1/2'")
        assert run_cli("mirror", source, "dest", env=env).code == 0
        for words in (("plan", source), ("diff", source, "other")):
            assert run_cli(*words, env=env).code == 0
            assert run_cli(*words, "--shard", "1/2", env=env).code == 2
        assert (run_cli.home / "dest/.mlhub/shards/1-of-2").is_dir()

    def test_an_option_that_excludes_another_is_named_with_its_place(self, run_cli):
        words = ("mirror", "x.json", "./dest", "--shard", "1/2")
        wrong = run_cli(*words, env={"MLHUB_PRUNE": "true"})
        assert wrong.code == 2
        assert "--prune needs the whole mirror" in wrong.err and "(--prune is from MLHUB_PRUNE)" in wrong.err
        given = run_cli(*words, "--prune", env={"MLHUB_PRUNE": "true"})
        assert given.code == 2
        assert "--prune" in given.err and "is from" not in given.err

    def test_a_wrong_word_is_not_blamed_on_the_file(self, home):
        write_user(home, "concurrency = 3")
        assert "config.toml" not in self.run("mirror", "x.json", "./dest", "-j", "many")

    def test_a_named_file_that_is_missing(self, monkeypatch):
        monkeypatch.setenv("MLHUB_CONFIG", "/no/such.toml")
        assert "MLHUB_CONFIG names it" in self.run("mirror", "x.json", "./dest")

    def test_a_file_that_is_no_text(self, home):
        write_user(home, "")
        (home / "config" / "mlhub-async" / "config.toml").write_bytes(b"\xff\xfe")
        assert "no UTF-8" in self.run("mirror", "x.json", "./dest")

    def test_no_secret_of_a_file_is_shown(self, home):
        write_user(home, "header = 'sesame-open'\n")
        assert "sesame" not in self.run("mirror", "x.json", "./dest")


class TestShown:
    def test_verbose_says_what_is_set_elsewhere_without_the_value(self, run_cli):
        folder = run_cli.home / ".config" / "mlhub-async"
        folder.mkdir(parents=True)
        (folder / "config.toml").write_text("api-key = 'sesame'")
        done = run_cli("mirror", "/no/such.json", "./dest", "-v", env={"MLHUB_RETRIES": "3"})
        assert done.code == 3
        assert "set: --retries (MLHUB_RETRIES)" in done.err
        assert f"set: --api-key ({folder}/config.toml: api-key)" in done.err
        assert "sesame" not in done.err + done.out

    def test_the_place_of_the_users_file(self, home):
        assert user_file({"XDG_CONFIG_HOME": "/c"}) == "/c/mlhub-async/config.toml"
        assert user_file({"XDG_CONFIG_HOME": "relative"}).endswith("/.config/mlhub-async/config.toml")


def test_what_is_no_table_of_a_command_is_no_option(run_cli, tmp_path):
    (tmp_path / "c.toml").write_text("mirror = 5\nverify = 'size'\n[status]\nquiet = true\n")
    done = run_cli("ls", "mlhub", env={"MLHUB_CONFIG": str(tmp_path / "c.toml")})
    assert done.code == 2 and "there is no option 'mirror'" in done.err, done.err


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("--intersects", '{"type": "Point", "coordinates": [1, 2]}'),
        ("--filter", "id = 'one'"),
        ("--api-key", "key"),
    ],
)
def test_a_file_that_begins_with_a_byte_order_mark_is_read_as_one_without(
    run_cli, site, tmp_path, option, text
):
    items = [stac_item("one", data=site.put("/d.tif", tif(300)))]
    (tmp_path / "value").write_bytes(b"\xef\xbb\xbf" + text.encode() + b"\r\n")
    done = run_cli("mirror", static_catalog(site, items), tmp_path / "d", option, f"@{tmp_path / 'value'}")
    assert done.code == 0 and "complete: 1 assets" in done.err, done.err
    sent = str([(seen.target, seen.headers) for seen in site.log])
    assert "%EF%BB%BF" not in sent and "\\ufeff" not in sent and "\xef" not in sent
    assert option != "--api-key" or "key=key" in sent, sent


@pytest.mark.parametrize("table", ["", "[mirror]\n"])
@pytest.mark.parametrize("name", ["scheduler", "token-file", "proxy", "ca-file", "reference", "endpoint-url"])
def test_the_file_of_the_directory_gives_nobody_power_over_the_run(run_cli, dest, name, table):
    """A scheduler of Dask can run programs in each of its clients."""
    (run_cli.home / "mlhub.toml").write_text(f'{table}{name} = "tls://192.0.2.1:8786"\n')
    done = run_cli("mirror", "http://127.0.0.1:1/catalog.json", dest)
    assert done.code == 2 and "may be somebody else's" in done.err, done.err
