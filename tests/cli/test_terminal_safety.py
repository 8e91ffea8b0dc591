"""Text of catalogues and servers cannot control the terminal or forge a line, in any output (fault I12)."""

import ast
import contextlib
import io
import json
import re
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import mlhub_async
from mlhub_async.cli.actions.summary import closing_lines
from mlhub_async.cli.terminal import output
from mlhub_async.cli.terminal.console import Console
from mlhub_async.core.errors import CatalogError, TransferError
from mlhub_async.core.model import Asset, Flaw, Job, Outcome, Status
from mlhub_async.engine.report.receipt import Report
from mlhub_async.engine.verify.results import CollectionStatus, Damage, StatusReport, Verification
from support.mirrored import Mirrored
from support.server import Raw, tif
from support.stac_server import stac_collection, stac_item, static_catalog

UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]"
)
HOSTILE = "\x1b]0;owned\x07\x1b[2J\r\nmlhub-async: complete\x9b31m\u202egnp\u2028\x7f\u200b\U000e0041"
TEXT = st.text(st.one_of(st.characters(), st.sampled_from(HOSTILE)), max_size=60)
BODY = tif(20_000)


def output_of(write):
    """What a call writes to stdout and stderr."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        write()
    return out.getvalue()


@pytest.mark.parametrize(
    "write",
    [
        output.print_message,
        output.print_error,
        output.print_warning,
        lambda text: output.print_lines([text]),
        lambda text: Console().say(text),
    ],
    ids=["message", "error", "warning", "lines", "console"],
)
@given(text=TEXT)
@example(text=HOSTILE)
def test_every_message_is_one_safe_line(write, text):
    written = output_of(lambda: write(text))
    assert written.endswith("\n") and written.count("\n") == 1 and not UNSAFE.search(written)


@given(TEXT)
@example(HOSTILE)
def test_json_is_one_safe_line_with_the_same_value(text):
    line = output.to_json_line({"id": text, text: [text]}).decode()
    assert not UNSAFE.search(line) and "\n" not in line
    assert json.loads(line) == {"id": text, text: [text]}


@given(TEXT, TEXT)
@example(HOSTILE, HOSTILE)
def test_the_lines_of_every_report_are_safe(one, two):
    asset = Asset("https://h.test/" + one, two, one, two)
    failure = TransferError(one, kind=two)
    report = Report(one, Path("dest"), {}, "")
    report.add([Outcome(Job(asset, one), Status.FAILED, error=failure)])
    report.add_flaw(Flaw(two, failure))
    report.listing.error = CatalogError(two)
    found = Verification(damage=[Damage(one, "size", "1 not 2")], foreign=[two])
    state = StatusReport(collections={one: CollectionStatus(done=1)})
    state.failures[two] += 1
    event = {"event": "error", "item": one, "key": two, "error": {"message": one}}
    for lines in (closing_lines(report), found.lines(), state.lines(), [output.event_line(event)]):
        assert not [line for line in lines if UNSAFE.search(line) or "\n" in line]


def test_a_traceback_is_safe_and_its_urls_are_redacted():
    def fail():
        try:
            raise ValueError(f"cannot read https://me:CANARY@h.test/x?sig=CANARY {HOSTILE}")
        except ValueError:
            output.print_traceback(*sys.exc_info())

    written = output_of(fail)
    assert "Traceback" in written and "ValueError: cannot read https://h.test/x?sig=***" in written
    assert "CANARY" not in written.rpartition("ValueError")[2] and not UNSAFE.search(written)


WRITING_MODULES = {
    "cli/actions/ls.py",
    "cli/actions/plan.py",
    "cli/actions/inspection/report.py",  # a page, in which tests/pages looks for what acts
    "cli/app.py",
    "cli/terminal/console.py",
    "cli/terminal/output.py",
    "cli/help/manual.py",  # the help, which has no text of others
    "cli/help/sections.py",
    "cli/help/pages.py",
    "cli/selftest/filesystem.py",  # a file that it checks
    "cli/selftest/lock_holder.py",
    "api/progress.py",
}


def test_only_listed_modules_write_to_the_streams():
    package = Path(mlhub_async.__file__).parent
    modules = [package / "api/progress.py", *(package / "cli").rglob("*.py")]
    for path in [*modules, *(package / "engine/verify").rglob("*.py")]:
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        names = {ast.unparse(call.func) for call in calls}
        if {name for name in names if name == "print" or name.endswith((".write", ".echo"))}:
            assert path.relative_to(package).as_posix() in WRITING_MODULES


REASON = f"HTTP/1.1 404 {HOSTILE}".replace("\r\n", " ").encode()
GONE = Raw(REASON + b"\r\nx-ms-error-code: \x1b[2J\r\nContent-Length: 2\r\n\r\nno")


@pytest.mark.parametrize("words", [["-vvv"], ["--json", "-v"]], ids=" ".join)
def test_control_characters_of_catalogue_and_server_do_not_reach_the_terminal(run_cli, site, dest, words):
    gone = site.put("/gone.tif", always=[GONE])
    items = [
        stac_item(f"good{HOSTILE}", f"c{HOSTILE}", data=site.put("/good.tif", BODY)),
        stac_item(f"bad{HOSTILE}", f"c{HOSTILE}", data=gone),
        stac_item(f"odd{HOSTILE}", f"c{HOSTILE}", **{f"key{HOSTILE}": f"weird{HOSTILE}://x"}),
        {**stac_item("none", f"c{HOSTILE}"), "id": [HOSTILE]},
    ]
    source = dest.parent / "items.json"
    source.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    runs = [run_cli("mirror", source, dest, *words)]
    assert runs[0].code == 4 and len(Mirrored(dest).errors) == 3, runs[0].err
    (next(iter(dest.glob("c*/good*/data.tif")))).write_bytes(b"damaged")
    (dest / f"foreign{HOSTILE}".replace("/", "_")).write_text("x")
    runs += [run_cli(*command, *words) for command in (("verify", dest), ("status", dest), ("plan", source))]
    runs += [run_cli("ls", source, "-c", f"c{HOSTILE}", *words)]
    for ended in runs:
        printed = ended.out + ended.err
        assert printed and not UNSAFE.search(printed), ended.err
        assert not re.search(r"^mlhub-async: complete", printed, re.MULTILINE)


def test_control_characters_of_a_title_do_not_reach_the_terminal(run_cli, site):
    static_catalog(site, [stac_item("one"), stac_item("two", "c2")])
    site.json("/static/c1/collection.json", stac_collection(f"c1{HOSTILE}", title=HOSTILE))
    for words in ([], ["--json"]):
        ended = run_cli("ls", site.url("/static/catalog.json"), *words)
        assert ended.code == 0 and "owned" in ended.out and not UNSAFE.search(ended.out + ended.err)
