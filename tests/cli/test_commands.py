"""The commands as users run them: the program in another process, against the running sample catalogue."""

import json
import os
import re
import signal
import struct
import subprocess
import sys
import threading

import pytest

from support.command import REPOSITORY
from support.mirrored import Mirrored, publish
from support.server import Delay, Status, When, tif
from support.stac_server import Api, stac_item, static_catalog
from support.wire_format import Reply

LABELS = "ref_landcovernet_v1_labels"
SOURCES = "ref_landcovernet_v1_source"


@pytest.fixture(scope="module")
def sample():
    """The environment variables for the sample catalogue, which the program serves in another process."""
    command = [sys.executable, "-m", "mlhub_async", "serve-demo", "--items", "2", "--dates", "2"]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        announced = "".join(process.stdout.readline() for _ in range(2))
        yield dict(re.findall(r"(MLHUB_\w+)=(\S+)", announced))
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 143


@pytest.fixture
def mlhub(run_cli, sample):
    """`mlhub("ls", …)` runs the program with these variables."""
    return lambda *words, **more: run_cli(*words, env={**sample, **more})


class TestMirror:
    def test_the_closing_lines_give_counts_proofs_and_the_receipt(self, mlhub, dest):
        done = mlhub("mirror", "mlhub", dest, "-c", LABELS)
        assert (done.code, done.out) == (0, "")
        first, second, *_, last = done.err.splitlines()
        assert re.match(r"complete: 62 assets, .* \(62 fetched, 0 already there\)", first)
        assert second == "verified: 62 by checksum"
        assert last == f"receipt: {dest}/.mlhub/receipt.json"
        Mirrored(dest).check(0)

    @pytest.mark.parametrize(
        ("words", "message"),
        [([], "set MLHUB_API_KEY"), (["-H", "X-Key: mine-mine"], "the credentials that were given")],
    )
    def test_a_refusal_says_whether_credentials_were_given(self, run_cli, site, dest, words, message):
        one = stac_item("one", data=site.put("/one.tif", tif(1000)))
        one["links"].append({"rel": "source", "href": site.put("/source", always=[Status(401)])})
        url = static_catalog(site, [one])
        done = run_cli("mirror", url, dest, "--follow-sources", "--allow-private", *words)
        assert done.code == 4 and message in done.err + (dest / ".mlhub/errors.jsonl").read_text()
        site.put("/closed", always=[Status(403)])
        done = run_cli("mirror", site.url("/closed"), dest, "--allow-private", *words)
        assert done.code == 3 and message in done.err

    def test_dest_can_be_given_with_o_and_is_left_out_where_there_is_a_mirror(self, mlhub, run_cli):
        assert mlhub("mirror", "mlhub", "-o", "there", "-c", LABELS, "-i", "labels", "-q").code == 0
        assert (run_cli.home / "there" / "catalog.json").exists()
        assert mlhub("mirror", "mlhub", "-c", LABELS, "-i", "labels", "-q").code == 2
        assert mlhub("mirror", "mlhub", ".", "-c", LABELS, "-i", "labels", "-q").code == 0
        assert mlhub("mirror", "mlhub", "-c", LABELS, "-i", "labels", "-q").code == 0
        assert (run_cli.home / "catalog.json").exists()

    def test_quiet_prints_nothing_of_a_complete_run(self, mlhub, dest):
        done = mlhub("mirror", "mlhub", dest, "-c", LABELS, "-i", "labels", "-q")
        assert (done.code, done.out, done.err) == (0, "", "")

    def test_quiet_prints_failures(self, run_cli, site, dest):
        url = static_catalog(site, [stac_item("one", data=site.url("/gone.tif"))])
        done = run_cli("mirror", url, dest, "-q")
        assert done.code == 4 and "c1/one/data" in done.err and "HTTP 404" in done.err
        again = run_cli("verify", dest, "-q")
        assert again.code == 4 and "exit code 4" in again.err

    def test_json_is_one_event_per_line_with_the_summary_last_and_no_secret(self, mlhub, sample, dest):
        done = mlhub("mirror", "mlhub", dest, "-c", LABELS, "--json", "-q")
        kinds = [event["event"] for event in done.events]
        assert kinds.count("finish") == 62 and kinds[-1] == "summary"
        assert done.events[-1]["exit_code"] == 0
        assert all(event["ts"] for event in done.events)
        assert sample["MLHUB_API_KEY"] not in done.out + done.err
        assert "download/ey" not in done.out

    def test_verbose_prints_one_line_per_file(self, mlhub, dest):
        done = mlhub("mirror", "mlhub", dest, "-c", LABELS, "-i", "labels", "-vv")
        lines = [line for line in done.err.splitlines() if line.startswith("finish: ")]
        assert len(lines) == 2 and all(re.fullmatch(rf"finish: {LABELS}/\S+/labels", line) for line in lines)

    def test_missing_assets_are_named_with_their_reason_and_fitting_advice(self, run_cli, site, dest):
        items = [*publish(site, ["here"]), stac_item("gone", data=site.url("/gone.tif"))]
        done = run_cli("mirror", static_catalog(site, items), dest)
        assert done.code == 4
        assert "not complete: 2 assets" in done.err
        assert re.search(r"^  c1/gone/data: .*404", done.err, re.MULTILINE)
        assert f"{dest}/.mlhub/errors.jsonl" in done.err

    def test_temporary_failures_are_exit_code_5_with_the_advice_to_run_again(self, run_cli, site, dest):
        items = publish(site, ["busy"], always=[Status(503)])
        done = run_cli("mirror", static_catalog(site, items), dest, "-R", 0)
        assert done.code == 5
        assert "run the same command again" in done.err

    def test_json_ends_with_a_summary_if_the_source_does_not_exist(self, run_cli, dest):
        done = run_cli("mirror", "nowhere.json", dest, "--json")
        assert done.code == 3
        assert done.err.startswith("mlhub-async: error: nowhere.json ")
        assert [event["event"] for event in done.events] == ["summary"]
        assert done.events[0]["exit_code"] == 3
        assert done.events[0]["error"]["class"] == "not-found"

    def test_an_interrupted_run_says_how_to_continue(self, run_cli, site, dest):
        items = publish(site, [f"i{n}" for n in range(30)], always=[Delay(0.3)])
        running = run_cli.start("mirror", static_catalog(site, items), dest, "-j", 1, "--json")
        next(line for line in running.process.stdout if '"finish"' in line)
        running.interrupt()
        done = running.finish()
        assert done.code == 130
        assert done.events[-1]["event"] == "summary"
        assert "run the same command again to continue" in done.err

    def test_a_closed_stdout_ends_the_run_without_a_message(self, run_cli, site, dest):
        reader_left = threading.Event()
        items = publish(site, [f"i{n}" for n in range(30)], always=[When(reader_left.is_set)])
        running = run_cli.start("mirror", static_catalog(site, items), dest, "-j", 1, "--json", "-q")
        running.process.stdout.readline()
        running.process.stdout.close()
        reader_left.set()
        assert running.process.wait(60) == 141
        assert running.process.stderr.read() == ""
        running.process.stderr.close()

    def test_a_closed_stderr_does_not_end_the_run(self, run_cli, site, dest):
        items = publish(site, [f"i{n}" for n in range(10)], always=[Delay(0.02)])
        running = run_cli.start("mirror", static_catalog(site, items), dest, "-j", 1, "-vv")
        running.process.stderr.readline()
        running.process.stderr.close()
        assert running.process.wait(60) == 0
        running.process.stdout.close()
        Mirrored(dest).check(0)

    @pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
    def test_events_that_cannot_be_written_are_exit_code_7(self, site, dest):
        command = [sys.executable, "-m", "mlhub_async", "mirror", static_catalog(site, publish(site, ["a"]))]
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [*command, dest, "--json"],
                cwd=REPOSITORY,
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                timeout=100,
                check=False,
            )
        assert done.returncode == 7
        assert "stdout cannot be written" in done.stderr

    @pytest.mark.parametrize(
        "words",
        [
            ["-o", "elsewhere"],
            ["--overwrite", "--skip-existing"],
            ["--overwrite", "--if-exists", "resume"],
            ["--save", "plan.json"],
        ],
    )
    def test_contradicting_options_are_refused(self, run_cli, words):
        done = run_cli("mirror", "catalog.json", "dest", *words)
        assert done.code == 2
        assert done.err.count("\n") == 1

    def test_overwrite_and_skip_existing_are_aliases_of_if_exists(self, mlhub, dest):
        words = ("mirror", "mlhub", dest, "-c", LABELS, "-i", "labels", "--no-follow-sources")
        assert mlhub(*words).code == 0
        assert "(0 fetched, 2 already there" in mlhub(*words, "--skip-existing").err
        assert "(2 fetched, 0 already there" in mlhub(*words, "--overwrite", "--if-exists", "overwrite").err


class TestSecrets:
    def test_no_key_and_no_header_value_is_written_or_printed(self, run_cli, site, dest):
        items = [*publish(site, ["here"]), stac_item("gone", data=site.url("/gone.tif?sig=CANARY-1"))]
        items += publish(site, ["busy"], always=[Status(503)])
        words = ["--api-key", "CANARY-2", "-H", "X-Secret: CANARY-3", "-R", 0, "-vv", "--json"]
        done = run_cli(
            "mirror", static_catalog(site, items), dest, *words, env={"MLHUB_ACCESS_TOKEN": "CANARY-4"}
        )
        assert done.code in (4, 5)
        assert any("CANARY-3" in seen.headers.get("x-secret", "") for seen in site.log)
        assert "CANARY" not in done.out + done.err
        written = [path for path in dest.rglob("*") if path.is_file()]
        assert [path for path in written if b"CANARY" in path.read_bytes()] == []

    def test_a_profiles_file_that_others_can_read_is_warned_about_on_one_line(self, mlhub, run_cli, sample):
        run_cli("configure", "--api-key", sample["MLHUB_API_KEY"])
        path = run_cli.home / ".mlhub" / "profiles"
        path.chmod(0o644)
        root = {"MLHUB_ROOT_URL": sample["MLHUB_ROOT_URL"]}
        done = run_cli("ls", "mlhub", "-c", LABELS, env=root)
        assert done.code == 0
        assert done.err == f"mlhub-async: warning: {path} can be read by other users: chmod 600 it\n"

    def test_a_key_can_be_read_from_a_file(self, run_cli, sample):
        (run_cli.home / "key").write_text(sample["MLHUB_API_KEY"] + "\n")
        root = {"MLHUB_ROOT_URL": sample["MLHUB_ROOT_URL"]}
        assert run_cli("ls", "mlhub", "-c", LABELS, env=root).code == 3
        assert run_cli("ls", "mlhub", "-c", LABELS, "--api-key", "@key", env=root).code == 0


class TestPlan:
    def test_it_counts_and_fetches_nothing(self, mlhub, run_cli):
        done = mlhub("plan", "mlhub", "-c", LABELS)
        assert done.code == 0
        assert f"{LABELS}: 6 assets\n{SOURCES}: 56 assets\ntotal: 6 items, 62 assets" in done.out
        assert "disk: " in done.out
        assert list(run_cli.home.iterdir()) == []

    def test_a_dry_run_is_a_plan(self, mlhub, dest):
        plan = mlhub("plan", "mlhub", "-c", LABELS).out.splitlines()[:-1]
        assert mlhub("mirror", "mlhub", dest, "-n", "-c", LABELS).out.splitlines()[:-1] == plan
        assert not dest.exists()

    def test_json_has_the_counts(self, mlhub):
        [summary] = mlhub("plan", "mlhub", "-c", LABELS, "--json").events
        assert (summary["items"], summary["assets"]) == (6, 62)
        assert summary["by_collection"] == {LABELS: 6, SOURCES: 56}

    @pytest.mark.parametrize("name", ["plan.json", "plan.ndjson"])
    def test_the_saved_plan_is_a_source_of_the_same_assets(self, run_cli, site, dest, name):
        url = static_catalog(site, publish(site, ["a", "b", "c"]))
        assert run_cli("plan", url, "--save", name, "-q").code == 0
        saved = (run_cli.home / name).read_text()
        hrefs = re.findall(r'"href":"([^"]+\.tif)"', saved)
        assert len(hrefs) == 3 and all(href.startswith(site.url("/")) for href in hrefs)
        if name.endswith(".json"):
            assert len(json.loads(saved)["features"]) == 3
        assert run_cli("mirror", name, dest, "--allow-private").code == 0
        assert len(Mirrored(dest).files) == 3

    @pytest.mark.parametrize("name", ["plan.json", "plan.ndjson"])
    def test_the_saved_plan_has_the_tokens_of_the_urls_but_not_the_users_key(self, run_cli, site, dest, name):
        """Others cannot read the file either, since a token is as good as a key."""
        ways, ours = ("token", "key", "jwt", "sig", "X-Amz-Signature"), "K-of-the-user"
        assets = {way: site.url(f"/{way}.tif?{way}=wanted-{way}&k={ours}&b=2") for way in ways}
        assets["download"] = site.put(f"/download/{'t' * 40}", tif(1000))
        for way in ways:
            site.route(
                f"/{way}.tif", lambda seen: Reply(body=tif(1000)) if "=wanted-" in seen.target else Reply(404)
            )
        url = static_catalog(site, [stac_item("one", **assets)])
        assert run_cli("plan", url, "--save", name, "-q", "--api-key", ours).code == 0
        saved = run_cli.home / name
        assert ours not in saved.read_text()
        if os.name == "posix":
            assert saved.stat().st_mode & 0o777 == 0o600
        assert run_cli("mirror", name, dest, "--allow-private").code == 0
        assert len(Mirrored(dest).files) == 6

    @pytest.mark.parametrize("name", ["plan.json", "plan.ndjson"])
    def test_an_empty_plan_is_a_valid_file(self, run_cli, site, name):
        assert run_cli("plan", static_catalog(site, []), "--save", name, "-q").code == 0
        text = (run_cli.home / name).read_text()
        assert (json.loads(text)["features"] if text else []) == []

    def test_a_plan_that_fails_leaves_no_file(self, run_cli):
        assert run_cli("plan", "nowhere.json", "--save", "plan.json").code == 3
        assert list(run_cli.home.iterdir()) == []

    @pytest.mark.skipif(os.name != "posix", reason="a device of POSIX")
    def test_a_plan_may_be_saved_to_a_device(self, run_cli, site):
        done = run_cli("plan", static_catalog(site, publish(site, ["a"])), "--save", "/dev/stdout", "-q")
        assert done.code == 0 and '{"type":"FeatureCollection"' in done.out, done.err

    def test_a_plan_file_that_cannot_be_written_is_exit_code_7(self, run_cli, site):
        done = run_cli("plan", static_catalog(site, []), "--save", "no/such/folder/plan.json")
        assert done.code == 7
        assert "no/such/folder/plan.json cannot be written" in done.err


class TestLs:
    @pytest.mark.parametrize(
        ("words", "first"),
        [
            ([], "ref_landcovernet_v1"),
            (["mlhub", "--dataset", "ref_landcovernet_v1"], LABELS),
            (["mlhub", "-c", LABELS], LABELS),
            (["mlhub", "-c", LABELS, "--ids", f"{LABELS}_29NMG_12"], "labels"),
        ],
    )
    def test_it_lists_one_level_at_a_time(self, mlhub, words, first):
        done = mlhub("ls", *words)
        assert done.code == 0
        assert done.out.split("\n")[0].split("\t")[0] == first

    def test_an_api_lists_its_collections(self, mlhub, sample):
        rows = mlhub("ls", sample["MLHUB_ROOT_URL"]).out.splitlines()
        assert [row.split("\t")[0] for row in rows] == [LABELS, SOURCES]

    def test_json_has_an_object_for_each_row_and_no_secret(self, mlhub, sample):
        done = mlhub("ls", "mlhub", "-c", LABELS, "--ids", f"{LABELS}_29NMG_12", "--json")
        assert {row["key"] for row in done.events[:-1]} == {"labels", "source_dates", "documentation"}
        assert sample["MLHUB_API_KEY"] not in done.out
        assert all(row["href"].endswith("/download/***") for row in done.events[:-1])

    def test_a_static_catalogue_lists_collections_or_the_items_of_its_only_one(self, mlhub, run_cli, dest):
        mlhub("mirror", "mlhub", dest, "-c", LABELS, "-i", "labels", "-i", "B01")
        assert {row["id"] for row in run_cli("ls", dest, "--json").events[:-1]} == {LABELS, SOURCES}
        rows = run_cli("ls", dest / LABELS, "--json").events[:-1]
        assert [row["assets"] for row in rows] == [["labels", "source_dates", "documentation"]] * 2

    @pytest.mark.parametrize("words", [["nowhere"], ["mlhub", "--dataset", "nonsense"]])
    def test_a_source_that_does_not_exist_is_exit_code_3(self, mlhub, words):
        done = mlhub("ls", *words)
        assert (done.code, done.out) == (3, "")

    def test_the_collections_of_a_dataset_are_listed_once_each_also_by_its_doi(self, run_cli, site):
        own = {"id": "d", "collections": [{"id": "a", "types": ["labels"]}, {"id": "b"}, {"id": "a"}]}
        site.json("/v1/datasets/doi/10.1/x.v2", own)
        done = run_cli("ls", "--dataset", "10.1/x.v2", env={"MLHUB_ROOT_URL": site.url("/v1")})
        assert (done.code, done.out) == (0, "a\tlabels\nb\t\n")

    def test_an_answer_that_is_no_list_of_datasets_is_exit_code_3(self, run_cli, site):
        site.json("/v1/datasets", {"datasets": [{"id": "d"}], "links": []})
        done = run_cli("ls", env={"MLHUB_ROOT_URL": site.url("/v1")})
        assert (done.code, done.out) == (3, "") and "no list of datasets" in done.err

    def test_an_api_without_datasets_lists_its_collections(self, run_cli, site):
        api = Api(site, [stac_item("i", "one"), stac_item("j", "two")])
        done = run_cli("ls", env={"MLHUB_ROOT_URL": api.url})
        assert (done.code, done.out) == (0, "one\t\ntwo\t\n")

    def test_control_characters_in_names_are_escaped(self, run_cli, site):
        done = run_cli("ls", static_catalog(site, [stac_item("\x1b]0;x\x07", data=site.url("/a.tif"))]))
        assert "\\x1b]0;x\\x07" in done.out and "\x1b" not in done.out


class TestVerifyAndStatus:
    @pytest.fixture
    def mirror(self, run_cli, site, dest):
        assert run_cli("mirror", static_catalog(site, publish(site, ["a", "b"])), dest).code == 0
        return Mirrored(dest)

    def test_an_intact_mirror_is_exit_code_0(self, run_cli, mirror):
        done = run_cli("verify", mirror.dest)
        assert (done.code, done.out) == (0, "")
        assert "no damage" in done.err

    def test_damage_is_exit_code_6_and_named_with_quiet_too(self, run_cli, mirror):
        (mirror.dest / "c1/a/data.tif").write_bytes(b"?")
        done = run_cli("verify", mirror.dest, "-q")
        assert done.code == 6
        assert done.err.startswith("c1/a/data.tif: ")

    def test_json_names_the_damage_too(self, run_cli, mirror):
        (mirror.dest / "c1/a/data.tif").write_bytes(b"?")
        summary = run_cli("verify", mirror.dest, "--json", "-q").events[-1]
        assert (summary["event"], summary["exit_code"]) == ("summary", 6)
        assert "c1/a/data.tif" in {damage["path"] for damage in summary["damage"]}

    def test_status_counts_by_collection(self, run_cli, mirror):
        done = run_cli("status", mirror.dest)
        assert done.code == 0
        assert done.out.startswith("c1: 2 done, 0 failed")
        [summary] = run_cli("status", mirror.dest, "--json").events
        assert summary["collections"]["c1"]["done"] == 2

    @pytest.mark.parametrize("command", ["verify", "status"])
    def test_a_directory_without_a_mirror_is_a_usage_error(self, run_cli, tmp_path, command):
        done = run_cli(command, tmp_path)
        assert done.code == 2
        assert done.err.startswith("mlhub-async: error: no mirror at ")


class TestDemo:
    def test_it_mirrors_the_sample_and_prints_the_next_steps(self, run_cli):
        done = run_cli("demo", "--items", 1, "--dates", 1, "--latency", "0.001")
        assert done.code == 0
        mirror = Mirrored(run_cli.home / "demo-mirror")
        mirror.check(0)
        for name in ("catalog.json", "receipt.json", "mlhub-async verify demo-mirror", "pystac"):
            assert name in done.err
        again = run_cli("demo", "--items", 1, "--dates", 1)
        assert again.code == 0 and "(0 fetched, 17 already there)" in again.err

    def test_faults_do_not_change_the_result(self, run_cli):
        assert run_cli("demo", "--items", 1, "--dates", 1, "--errors", "0.03", "-q", "d").code == 0
        Mirrored(run_cli.home / "d").check(0)


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")
class TestTerminal:
    """The program on a pseudo-terminal of 100 columns."""

    def on_terminal(self, home, *words, typed=(), env=None):
        import fcntl  # not on Windows
        import termios

        ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        environ = {
            **os.environ,
            "HOME": str(home),
            "TERM": "xterm",
            "PYTHONPATH": str(REPOSITORY),
            **(env or {}),
        }
        command = [sys.executable, "-m", "mlhub_async", *map(str, words)]
        with subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=home, env=environ
        ) as process:
            os.close(theirs)
            shown = b""
            answers = list(typed)
            while chunk := self.read(ours):
                shown += chunk
                if answers and shown.endswith(b": "):
                    os.write(ours, answers.pop(0).encode() + b"\n")
            os.close(ours)
        return process.returncode, shown.decode()

    def read(self, terminal):
        try:
            return os.read(terminal, 65536)
        except OSError:  # EIO: the other side is closed
            return b""

    def test_configure_asks_without_echo_and_before_it_replaces(self, run_cli):
        home = run_cli.home
        code, shown = self.on_terminal(home, "configure", typed=["CANARY-1"])
        assert code == 0 and "CANARY" not in shown
        code, shown = self.on_terminal(home, "configure", typed=["n"])
        assert code == 130 and "Replace it?" in shown
        code, shown = self.on_terminal(home, "configure", typed=["y", "CANARY-2"])
        assert code == 0 and "CANARY" not in shown
        assert "CANARY-2" in (home / ".mlhub" / "profiles").read_text()

    @pytest.mark.parametrize(("env", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
    def test_a_bar_shows_the_progress_and_is_removed_at_the_end(self, run_cli, site, dest, env, coloured):
        items = publish(site, [f"i{n}" for n in range(12)], always=[Delay(0.05)])
        code, shown = self.on_terminal(
            run_cli.home, "mirror", static_catalog(site, items), dest, "-j", 1, env=env
        )
        assert code == 0
        assert re.search(r"\d+/≥?\d+ assets (\(\d+%\) )?\|", shown)
        assert ("\x1b[32m" in shown) is coloured
        assert "assets |" not in shown.split("complete:")[1]

    def test_a_short_command_shows_no_bar(self, run_cli, site):
        code, shown = self.on_terminal(run_cli.home, "ls", static_catalog(site, publish(site, ["a"])))
        assert code == 0 and "assets |" not in shown
