"""`api/progress` and the meter: counters, log lines, the bar, and how they are drawn."""

import asyncio
import dataclasses
import io
import re
import threading

import pytest

from mlhub_async.api import progress
from mlhub_async.api.progress import LogLines, NoDisplay, Pace, ProgressBar, choose_display, watch
from mlhub_async.core.telemetry import Meter, human_size


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Gone(io.StringIO):
    def write(self, text):
        raise OSError(5, "Input/output error")


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def busy():
    return Meter(listed=20, selected=40, fetched=7, skipped=2, failed=1, retries=3, bytes=2048, received=4096)


class TestMeter:
    def test_all_counters_begin_at_zero(self):
        meter = Meter()
        assert not any(getattr(meter, field.name) for field in dataclasses.fields(meter))

    def test_done_counts_fetched_skipped_and_failed(self):
        assert busy().done == 10


class TestHuman:
    @pytest.mark.parametrize(
        ("count", "text"),
        [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 * 1024**4, "5.0 TiB"), (1024**6, "1024.0 PiB")],
    )
    def test_bytes_are_shown_in_powers_of_1024(self, count, text):
        assert human_size(count) == text


class TestWatch:
    async def test_the_meter_is_drawn_as_it_is_at_each_tick(self):
        meter, drawn, ticks = Meter(), [], []

        async def tick(every):
            ticks.append(every)
            if len(ticks) > 3:
                raise asyncio.CancelledError
            meter.fetched += 10

        with pytest.raises(asyncio.CancelledError):
            await watch(meter, lambda m: drawn.append(m.fetched), 0.5, sleep=tick)
        assert (drawn, ticks) == ([10, 20, 30], [0.5] * 4)

    async def test_a_terminal_that_is_gone_ends_the_drawing_and_nothing_else(self):
        async def tick(every):
            await asyncio.sleep(0)

        await watch(Meter(), LogLines(Gone()).draw, 1, sleep=tick)


class TestLines:
    def test_a_line_has_the_counters(self):
        out, clock = io.StringIO(), Clock()
        lines = LogLines(out, clock=clock)
        clock.now += 2
        meter = busy()
        meter.held["https://slow.example"] = clock.now + 30
        meter.held["https://fast.example"] = clock.now - 1
        lines.draw(meter)
        lines.close()
        stamp, line = out.getvalue().split(" ", 1)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", stamp)
        assert line == (
            "10/≥40 assets, 2.0 KiB/s, 4.0 files/s, 2.0 KiB stored, 20 items listed, "
            "1 failed, 3 retries, 1 hosts waiting\n"
        )

    def test_counters_of_trouble_that_are_zero_are_left_out(self):
        out = io.StringIO()
        LogLines(out, clock=Clock()).draw(Meter(listing_ended=True))
        assert out.getvalue().endswith("Z 0/0 assets, 0 B/s, 0.0 files/s, 0 B stored\n")

    def test_the_collection_is_shown_without_control_characters(self):
        out = io.StringIO()
        LogLines(out, clock=Clock()).draw(Meter(collection="chips\x1b[2J" + "x" * 100))
        assert "\x1b" not in out.getvalue()
        assert "chips" in out.getvalue() and len(out.getvalue()) < 150

    def test_files_under_way_are_named_where_they_are_known(self):
        out = io.StringIO()
        paths = dict.fromkeys(f"c/i/{name}.tif" for name in "abcde")
        LogLines(out, clock=Clock()).draw(Meter(under_way=paths))
        assert out.getvalue().endswith("under way: c/i/a.tif c/i/b.tif c/i/c.tif and 2 more\n")

    def test_a_line_is_printed_every_thirty_seconds(self):
        assert LogLines(io.StringIO()).every == 30


class TestBar:
    def test_it_shows_done_of_selected_and_the_rate(self):
        out, clock = Terminal(), Clock()
        bar = ProgressBar(out, colour=False, clock=clock)
        clock.now += 100  # long enough for the smoothed rate to be the plain one
        bar.draw(busy())
        bar.close()
        assert "10/≥40 assets" in out.getvalue()
        assert "41 B/s, 0.1 files/s, 1 failed, 3 retries" in out.getvalue()
        assert "\x1b[3" not in out.getvalue()

    def test_its_total_grows_while_the_listing_runs(self):
        out, meter = Terminal(), busy()
        bar = ProgressBar(out)
        bar.draw(meter)
        meter.selected = 4000
        bar.draw(meter)
        bar.close()
        assert "10/≥4000 assets" in out.getvalue()

    def test_a_printed_line_stands_above_the_bar(self):
        out = Terminal()
        bar = ProgressBar(out)
        bar.draw(busy())
        bar.say("hello")
        bar.close()
        assert "hello\n" in out.getvalue()

    def test_closing_it_raises_nothing_when_the_terminal_is_gone(self):
        out = Terminal()
        bar = ProgressBar(out)
        bar.draw(busy())
        out.write = Gone().write
        bar.close()

    def test_it_starts_no_thread(self):
        before = threading.active_count()
        bar = ProgressBar(Terminal())
        bar.draw(busy())
        assert threading.active_count() == before
        bar.close()

    def test_a_run_that_ends_before_the_first_drawing_shows_no_bar(self):
        out = Terminal()
        bar = ProgressBar(out)
        bar.say("hello")
        bar.close()
        assert out.getvalue() == "hello\n"


class TestEstimate:
    def test_before_the_end_of_the_listing_the_total_is_estimated_from_what_was_announced(self):
        meter = Meter(listed=100, announced=1000, selected=250, fetched=50)
        assert (meter.expected, progress.share(meter)) == (2500, "50/≥2500 assets (2%)")

    def test_without_an_announced_total_there_is_no_share_and_no_eta(self):
        meter = Meter(listed=100, selected=250, fetched=240)
        pace = Pace(0.0)
        pace.at(10.0, meter)
        assert progress.share(meter) == "240/≥250 assets"
        assert pace.seconds_left(meter) is None

    def test_after_the_listing_the_total_is_exact(self):
        meter = Meter(listed=100, announced=1000, selected=250, fetched=50, listing_ended=True)
        assert progress.share(meter) == "50/250 assets (20%)"

    def test_the_bar_is_empty_while_the_total_is_unknown(self):
        out = Terminal()
        bar = ProgressBar(out, colour=False, clock=Clock())
        bar.draw(Meter(listed=100, selected=250, fetched=240))
        bar.close()
        assert "240/≥250 assets" in out.getvalue()
        assert "#" not in out.getvalue() and "█" not in out.getvalue()

    @pytest.mark.parametrize("announces", [True, False])
    def test_in_a_run_that_lists_half_of_its_time_the_share_is_true_or_marked(self, announces):
        """Simulated: 1,000 items of 4 assets; the listing takes 100 s of 200 s, the transfers all of it."""
        meter, pace, items, seconds = Meter(), Pace(0.0), 1000, 200
        for second in range(1, seconds + 1):
            meter.listed = min(items, 10 * second)
            meter.selected = 4 * meter.listed
            meter.announced = items if announces else meter.listed
            meter.listing_ended = second >= seconds / 2
            meter.fetched = 4 * items * second // seconds
            pace.at(float(second), meter)
            if second % (seconds // 10):
                continue
            truth = second / seconds
            if "≥" not in progress.share(meter) or progress.is_known(meter):
                assert meter.done / meter.expected == pytest.approx(truth, abs=0.1)
            left = pace.seconds_left(meter)
            if second > seconds / 3 and left is not None and second < seconds:
                assert (seconds - second) / 2 <= left <= (seconds - second) * 2
            if announces and second > seconds / 3:
                assert left is not None

    def test_files_that_are_there_already_do_not_promise_the_same_pace_for_the_others(self):
        meter, pace = Meter(selected=10_000, listing_ended=True), Pace(0.0)
        meter.skipped = 9_000
        pace.at(1.0, meter)
        for second in range(2, 82):
            meter.fetched += 5
            pace.at(float(second), meter)
        assert 60 <= pace.seconds_left(meter) <= 240  # 600 are left: 120 s


class TestRate:
    def test_the_first_rate_is_the_true_one(self):
        rate = progress._Rate(0.0)
        assert rate.at(0.0, 0) == 0
        assert rate.at(0.1, 100) == pytest.approx(1000)
        assert rate.at(0.2, 200) == pytest.approx(1000)

    def test_a_byte_counts_half_as_much_after_two_seconds(self):
        rate = progress._Rate(0.0)
        assert rate.at(2.0, 600) == pytest.approx(300)
        assert rate.at(4.0, 600) == pytest.approx(100)  # 300 of what came, in 1 + 2 seconds
        assert rate.at(4.0, 600) == pytest.approx(100)


class TestDisplay:
    @pytest.mark.parametrize(
        ("out", "environ", "quiet", "kind"),
        [
            (Terminal, {}, False, ProgressBar),
            (Terminal, {"TERM": "dumb"}, False, LogLines),
            (Terminal, {"TQDM_DISABLE": "1"}, False, LogLines),
            (io.StringIO, {}, False, LogLines),
            (Terminal, {}, True, NoDisplay),
        ],
    )
    def test_the_display_is_chosen_by_terminal_and_environment(self, out, environ, quiet, kind):
        shown = choose_display(out(), environ, quiet=quiet)
        assert type(shown) is kind
        shown.close()

    @pytest.mark.parametrize(("environ", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
    def test_no_color_is_honoured(self, environ, coloured):
        out = Terminal()
        bar = choose_display(out, environ)
        bar.draw(busy())
        bar.close()
        assert ("\x1b[32m" in out.getvalue()) is coloured

    def test_no_display_prints_nothing(self):
        hidden = NoDisplay()
        hidden.draw(busy())
        hidden.say("hello")
        hidden.close()
        assert hidden.every > 60
