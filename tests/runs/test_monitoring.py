"""What a caller from Python sees of a run: its progress, its events, its report in a notebook."""

import io
import re
import sys
from html.parser import HTMLParser

import pytest

from mlhub_async import Client, Meter, blocking, mirror, mirrored
from mlhub_async.api import monitoring
from mlhub_async.demo import serve
from support.engine import AT_ONCE, make_options, run
from support.mirrored import Mirrored, publish
from support.server import Delay, Stall
from support.stac_server import stac_item

OPTIONS = make_options(allow_private=True, retry=AT_ONCE)


class CallerError(OSError):
    """An error of the caller's function; those of a terminal that is gone are of this class too."""


async def test_a_progress_function_gets_the_counters_by_a_timer_and_at_the_end(site, dest, monkeypatch):
    monkeypatch.setattr(monitoring, "CALL_SECONDS", 0.001)
    seen = []
    items = publish(site, ["one", "two"])
    site.things["/two.tif"].faults.append(Delay(0.3))
    await mirror(items, dest, OPTIONS, progress=lambda meter: seen.append((meter.done, meter.selected)))
    assert len(seen) > 1 and seen[-1] == (2, 2)
    assert seen == sorted(seen)


@pytest.mark.parametrize("argument", ["progress", "on_event"])
async def test_what_a_function_raises_ends_the_run_which_saves_its_state(site, dest, monkeypatch, argument):
    monkeypatch.setattr(monitoring, "CALL_SECONDS", 0.001)
    items = publish(site, ["one", "two"])
    site.things["/two.tif"].faults.append(Stall(100))

    def fail(told):
        if told["event"] == "finish" if argument == "on_event" else told.fetched:
            raise CallerError("the caller's")

    with pytest.raises(CallerError, match="the caller's"):
        await mirror(items, dest, OPTIONS, **{argument: fail})
    assert Mirrored(dest).receipt["exit_code"] != 0
    assert (await run(items, dest)).ok


async def test_progress_is_shown_on_stderr_and_only_if_it_is_asked_for(site, dest, monkeypatch):
    out = io.StringIO()
    out.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", out)
    monkeypatch.setenv("TERM", "xterm")  # on a dumb one a line is written now and then
    items = publish(site, ["one"])
    assert (await mirror(items, dest, OPTIONS)).ok
    assert out.getvalue() == ""
    site.things["/one.tif"].faults.append(Delay(0.5))
    assert (await mirror(items, dest / "other", OPTIONS, progress=True)).ok
    assert "assets" in out.getvalue()


async def test_events_come_in_order_and_the_summary_last(site, dest):
    told = []
    async for _ in mirrored(publish(site, ["one"]), dest, OPTIONS, on_event=told.append):
        pass
    kinds = [event["event"] for event in told]
    assert kinds.index("start") < kinds.index("finish") and kinds[-1] == "summary"


def test_the_calls_without_await_have_both(site, dest):
    told, meters = [], []
    items = publish(site, ["one"])
    blocking.mirror(items, dest, OPTIONS, progress=meters.append, on_event=told.append)
    assert isinstance(meters[-1], Meter) and told[-1]["event"] == "summary"


async def test_a_client_has_both_too(dest):
    told, meters = [], []
    async with serve() as sample, Client(sample.key, root_url=sample.root) as mlhub:
        labels = "ref_landcovernet_v1_labels"
        asked = {"progress": meters.append, "on_event": told.append}
        report = await mlhub.mirror(labels, dest, follow_sources=False, **asked)
        assert meters[-1].done == report.selected and told[-1]["event"] == "summary"
        meters.clear()
        report = await mlhub.mirror_dataset("ref_landcovernet_v1", dest / "all", **asked)
        assert meters[-1].done == report.selected


class Text(HTMLParser):
    """The tags of a document and its text."""

    def __init__(self, document):
        super().__init__()
        self.tags, self.text = set(), ""
        self.feed(document)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        assert not attributes

    def handle_data(self, data):
        self.text += data


async def test_a_notebook_shows_a_table_without_markup_of_the_catalogue(site, dest):
    name = "<script>alert(1)</script>\x1b[2J\u202e"
    items = [*publish(site, ["one"]), stac_item(name, data=site.url("/<img src=x>.tif"))]
    report = await run(items, dest)
    found = Text(report._repr_html_())
    assert found.tags == {"table", "caption", "tr", "th", "td"}
    assert "<script>alert(1)</script>" in found.text and not re.search("[\x00-\x1f\u202e]", found.text)
    assert "not complete: exit code 4" in found.text and "1 assets" in found.text


async def test_a_notebook_says_that_a_copy_is_complete(site, dest):
    found = Text((await run(publish(site, ["one", "two"]), dest))._repr_html_())
    assert "complete and verified" in found.text and "2 selected, 2 fetched" in found.text
