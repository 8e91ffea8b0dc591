"""`plan --forecast` against servers: what it asks, what it believes, what it says."""

import json
import random

import pytest

from support.mirrored import asset_requests, wait_for
from support.server import Chunked, ContentRange, Gzip, IgnoreRange, Status, StatusOf, noise
from support.stac_server import stac_item, static_catalog


def ndjson(site, folder, sizes, **about):
    """A list of items, one asset each, of these sizes."""
    lines = []
    for number, size in enumerate(sizes):
        href = site.put(f"/{number}.tif", noise(size, number), etag=f'"{number}"', **about)
        lines.append(json.dumps(stac_item(f"i{number}", data=href)))
    path = folder / "items.ndjson"
    path.write_text("\n".join(lines))
    return path


def forecast_of(run_cli, *words):
    ended = run_cli("plan", *words, "--forecast", "--json", "-q")
    assert ended.code == 0, ended.err
    return ended.events[-1]["forecast"]


def test_a_plan_without_it_contacts_no_host_of_assets(run_cli, site, tmp_path):
    assert run_cli("plan", ndjson(site, tmp_path, [100] * 5)).code == 0
    assert site.log == []


def test_it_asks_for_one_byte_by_get_and_states_an_interval(run_cli, site, tmp_path):
    chance = random.Random(4)
    sizes = [chance.randrange(500, 1500) for _ in range(400)]
    source = ndjson(site, tmp_path, sizes)
    found = forecast_of(run_cli, source)
    # How often the truth is inside the interval: tests/unit/test_forecast.py. This is seven deviations.
    assert abs(found["bytes"] - sum(sizes)) < 0.25 * sum(sizes) and found["files"] == 400
    assert found["low"] < found["bytes"] < found["high"]
    assert found["high"] - found["low"] < 0.25 * sum(sizes)
    assert found["requests"] == len(asset_requests(site)) <= 200
    assert found["sampled"] < 150
    assert {seen.method for seen in site.log} == {"GET"}
    ranges = [seen.headers["range"] for seen in site.log]
    assert ranges.count("bytes=1-1") == found["sampled"] and len(set(ranges)) <= 5
    ended = run_cli("plan", source, "--forecast")
    assert ended.code == 0 and "requests for one byte each" in ended.out
    assert "disk: " in ended.out and "inodes: " in ended.out and "time: " in ended.out


@pytest.mark.parametrize("size", [0, 1, 2])
def test_files_without_a_second_byte_are_no_riddle(run_cli, site, tmp_path, size):
    found = forecast_of(run_cli, ndjson(site, tmp_path, [size] * 3))
    assert found["bytes"] == found["low"] == found["high"] == 3 * size


def test_a_host_without_ranges_is_believed_its_length_and_its_body_is_not_read(run_cli, site, tmp_path):
    sent = []
    site.answered = lambda seen, reply: sent.append(reply)
    size = 30_000_000
    source = ndjson(site, tmp_path, [size] * 3, always=[IgnoreRange()])
    found = forecast_of(run_cli, source)
    assert found["bytes"] == 3 * size and found["without_ranges"] == 3
    wait_for(lambda: len(sent) == 3)
    assert sum(sum(reply.sent) for reply in sent) < size
    assert "their Content-Length is believed" in run_cli("plan", source, "--forecast").out


def test_a_part_that_comes_as_a_whole_is_no_file_of_one_byte(run_cli, site, tmp_path):
    """rclone serve s3 sends a part as 200, with its Content-Range."""
    found = forecast_of(run_cli, ndjson(site, tmp_path, [5000] * 3, always=[StatusOf(200)]))
    assert found["bytes"] == 15_000


@pytest.mark.parametrize(
    ("fault", "why"),
    [(Gzip(), "encoded"), (ContentRange("bytes 1-1/*"), "no-length"), (Status(403), "forbidden")],
)
def test_answers_that_say_no_size_are_counted(run_cli, site, tmp_path, fault, why):
    source = ndjson(site, tmp_path, [5000] * 6)
    for number in (0, 1, 2):
        site.things[f"/{number}.tif"].always = (fault,)
    found = forecast_of(run_cli, source)
    assert found["missing"] == {why: 3} and found["bytes"] == 30_000
    ended = run_cli("plan", source, "--forecast")
    assert f"3 of these gave no size ({why}: 3)" in ended.out


def test_chunked_answers_without_any_size_leave_the_files_out(run_cli, site, tmp_path):
    found = forecast_of(run_cli, ndjson(site, tmp_path, [5000] * 6, always=[IgnoreRange(), Chunked()]))
    assert found["unmeasured"] == 6 and found["bytes"] == 0 and found["missing"] == {"no-length": 6}


def test_files_that_are_gone_have_no_bytes(run_cli, site, tmp_path):
    source = ndjson(site, tmp_path, [5000] * 4)
    del site.things["/0.tif"]
    found = forecast_of(run_cli, source)
    assert found["absent"] == 1 and found["bytes"] == 15_000


@pytest.mark.parametrize("said", [4000, 6000])
def test_a_host_that_says_another_size_than_its_file_has_is_told(run_cli, site, tmp_path, said):
    source = ndjson(site, tmp_path, [5000] * 6, always=[ContentRange(f"bytes 1-1/{said}")])
    site.route("/0.tif", site_of(5000, said))
    for number in range(1, 6):
        site.route(f"/{number}.tif", site_of(5000, said))
    found = forecast_of(run_cli, source)
    assert found["unbelieved"] == {site.url("").rstrip("/"): 6} and found["bytes"] == 0
    assert "says sizes that its files do not have" in run_cli("plan", source, "--forecast").out


def site_of(size, said):
    """An answer for ranges of a file of `size` bytes, which says that it has `said`."""
    from support.wire_format import Reply

    def answer(seen):
        offset = int(seen.headers["range"].partition("=")[2].partition("-")[0])
        if offset >= size:
            return Reply(416, [("Content-Range", f"bytes */{size}")])
        return Reply(206, [("Content-Range", f"bytes {offset}-{offset}/{max(said, offset + 1)}")], b"x")

    return answer


def test_sizes_of_the_catalogue_need_no_request(run_cli, site, tmp_path):
    items = [stac_item(f"i{number}", data=site.url(f"/{number}.tif")) for number in range(4)]
    for one in items:
        one["assets"]["data"]["file:size"] = 1000
    (tmp_path / "items.ndjson").write_text("\n".join(map(json.dumps, items)))
    found = forecast_of(run_cli, tmp_path / "items.ndjson")
    assert found["bytes"] == found["low"] == found["high"] == 4000
    assert found["requests"] == 0 and site.log == []


def test_with_a_dest_only_what_would_be_fetched_counts_and_time_is_learned(run_cli, site, tmp_path):
    items = [stac_item(f"i{n}", data=site.put(f"/{n}.tif", noise(3000, n), etag=f'"{n}"')) for n in range(30)]
    url = static_catalog(site, items[:25])
    assert run_cli("mirror", url, "dest").code == 0
    static_catalog(site, items)
    ended = run_cli("mirror", url, "dest", "-n", "--forecast", "--json", "-q")
    found = ended.events[-1]["forecast"]
    assert ended.code == 0 and found["files"] == 5 and found["bytes"] == 15_000
    assert found["seconds_low"] is not None and found["seconds_high"] >= found["seconds_low"]
    assert "by the rates of the last run" in run_cli("mirror", url, "dest", "-n", "--forecast").out
    assert run_cli("mirror", url, "dest", "--forecast").code == 2
    assert run_cli("mirror", url, "dest").code == 0 and run_cli("verify", "dest").code == 0
