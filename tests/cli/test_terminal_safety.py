"""Text that others wrote does nothing to a terminal and forges no line, whatever says it (I12)."""

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
from mlhub_async.cli import output
from mlhub_async.cli.actions.mirror import closing_lines
from mlhub_async.cli.console import Console
from mlhub_async.core.errors import CatalogError, TransferError
from mlhub_async.core.model import Asset, Flaw, Job, Outcome, Status
from mlhub_async.engine.report.receipt import Report
from mlhub_async.engine.verify.results import CollectionStatus, Damage, StatusReport, Verification
from support.mirrored import Mirrored
from support.server import Raw, tif
from support.stac_server import stac_collection, stac_item, static_catalog

ACTS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]"
)
NASTY = "\x1b]0;owned\x07\x1b[2J\r\nmlhub-async: complete\x9b31m\u202egnp\u2028\x7f\u200b\U000e0041"
TEXT = st.text(st.one_of(st.characters(), st.sampled_from(NASTY)), max_size=60)
BODY = tif(20_000)


def said_by(say):
    """What comes out of both streams."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        say()
    return out.getvalue()


@pytest.mark.parametrize(
    "say",
    [
        output.say,
        output.error,
        output.warning,
        lambda text: output.show([text]),
        lambda text: Console().say(text),
    ],
    ids=["tell", "error", "warning", "show", "screen"],
)
@given(text=TEXT)
@example(text=NASTY)
def test_whatever_is_said_is_one_inert_line(say, text):
    said = said_by(lambda: say(text))
    assert said.endswith("\n") and said.count("\n") == 1 and not ACTS.search(said)


@given(TEXT)
@example(NASTY)
def test_json_is_one_inert_line_too_and_means_what_it_meant(text):
    line = output.encoded({"id": text, text: [text]}).decode()
    assert not ACTS.search(line) and "\n" not in line
    assert json.loads(line) == {"id": text, text: [text]}


@given(TEXT, TEXT)
@example(NASTY, NASTY)
def test_every_report_is_inert_before_it_is_said(one, two):
    asset = Asset("https://h.test/" + one, two, one, two)
    failure = TransferError(one, kind=two)
    report = Report(one, Path("dest"), {}, "")
    report.add(Outcome(Job(asset, one), Status.FAILED, error=failure))
    report.add_flaw(Flaw(two, failure))
    report.listing.error = CatalogError(two)
    found = Verification(damage=[Damage(one, "size", "1 not 2")], foreign=[two])
    state = StatusReport(collections={one: CollectionStatus(done=1)})
    state.failures[two] += 1
    event = {"event": "error", "item": one, "key": two, "error": {"message": one}}
    for lines in (closing_lines(report), found.lines(), state.lines(), [output.event_line(event)]):
        assert not [line for line in lines if ACTS.search(line) or "\n" in line]


def test_a_bug_is_told_without_what_its_message_could_do():
    def fail():
        try:
            raise ValueError(f"cannot read https://me:CANARY@h.test/x?sig=CANARY {NASTY}")
        except ValueError:
            output.crash(*sys.exc_info())

    said = said_by(fail)
    assert "Traceback" in said and "ValueError: cannot read https://h.test/x?sig=***" in said
    assert "CANARY" not in said.rpartition("ValueError")[2] and not ACTS.search(said)


SPEAKERS = {
    "cli/actions/ls.py",
    "cli/actions/demo.py",
    "cli/actions/plan.py",
    "cli/app.py",
    "cli/console.py",
    "cli/output.py",
    "cli/selftest/lock_holder.py",
    "api/progress.py",
}


def test_only_a_few_modules_write_to_the_streams_at_all():
    package = Path(mlhub_async.__file__).parent
    speaking = [package / "api/progress.py", *(package / "cli").rglob("*.py")]
    for path in [*speaking, *(package / "engine/verify").rglob("*.py")]:
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        names = {ast.unparse(call.func) for call in calls}
        if {name for name in names if name == "print" or name.endswith((".write", ".echo"))}:
            assert path.relative_to(package).as_posix() in SPEAKERS


REASON = f"HTTP/1.1 404 {NASTY}".replace("\r\n", " ").encode()
GONE = Raw(REASON + b"\r\nx-ms-error-code: \x1b[2J\r\nContent-Length: 2\r\n\r\nno")


@pytest.mark.parametrize("talk", [["-vvv"], ["--json", "-v"]], ids=" ".join)
def test_a_hostile_catalogue_and_server_reach_no_terminal(run_cli, site, dest, talk):
    gone = site.put("/gone.tif", always=[GONE])
    items = [
        stac_item(f"good{NASTY}", f"c{NASTY}", data=site.put("/good.tif", BODY)),
        stac_item(f"bad{NASTY}", f"c{NASTY}", data=gone),
        stac_item(f"odd{NASTY}", f"c{NASTY}", **{f"key{NASTY}": f"weird{NASTY}://x"}),
        {**stac_item("none", f"c{NASTY}"), "id": [NASTY]},
    ]
    source = dest.parent / "items.json"
    source.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    told = [run_cli("mirror", source, dest, *talk)]
    assert told[0].code == 4 and len(Mirrored(dest).errors) == 3, told[0].err
    (next(iter(dest.glob("c*/good*/data.tif")))).write_bytes(b"damaged")
    (dest / f"foreign{NASTY}".replace("/", "_")).write_text("x")
    told += [run_cli(*words, *talk) for words in (("verify", dest), ("status", dest), ("plan", source))]
    told += [run_cli("ls", source, "-c", f"c{NASTY}", *talk)]
    for ended in told:
        said = ended.out + ended.err
        assert said and not ACTS.search(said), ended.err
        assert not re.search(r"^mlhub-async: complete", said, re.MULTILINE)


def test_a_title_reaches_no_terminal(run_cli, site):
    static_catalog(site, [stac_item("one"), stac_item("two", "c2")])
    site.json("/static/c1/collection.json", stac_collection(f"c1{NASTY}", title=NASTY))
    for talk in ([], ["--json"]):
        ended = run_cli("ls", site.url("/static/catalog.json"), *talk)
        assert ended.code == 0 and "owned" in ended.out and not ACTS.search(ended.out + ended.err)
