"""Items given themselves as a source: in files, as lines, on standard input, as Python objects."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pystac
import pytest

from mlhub_async import stac
from mlhub_async.core import urls
from mlhub_async.core.errors import CatalogError, SourceError, TransferError, Transient, UsageError
from mlhub_async.core.model import Asset, Flaw, Item, Page
from mlhub_async.core.options import Selection
from mlhub_async.sources.items.documents import of_lines
from mlhub_async.sources.items.ndjson import MAX_RECORD_BYTES, records_in
from mlhub_async.sources.items.objects import of_objects
from support.documents import Documents, entries, item, link, listed, page, recognised
from support.machine_speed import cpu_seconds_below

LINES = [json.dumps(item(f"i{n}")).encode() for n in range(3)]


def ids(found):
    return [one.id for one in found if isinstance(one, Item)]


def flaws(found):
    return [one for one in found if isinstance(one, Flaw)]


async def test_a_single_item_is_a_source(tmp_path):
    path = tmp_path / "i.json"
    path.write_text(json.dumps(item("i", assets={"a": {"href": "./a.tif"}})))
    (found,) = [one for one in await listed(str(path), Documents()) if isinstance(one, Item)]
    assert stac.assets_of(found)[0].href == urls.from_path(tmp_path / "a.tif")


async def test_a_feature_collection_is_a_source_and_its_odd_members_are_flaws():
    reader = Documents({"https://r.test/items.json": page(item("a"), 5, item("b"), numberMatched=3)})
    found = await listed("https://r.test/items.json", reader, collections=("c",))
    assert ids(found) == ["a", "b"] and len(flaws(found)) == 1
    assert found[0] == Page(3, "", 3, is_last=True)


async def test_the_next_link_of_a_saved_search_is_followed():
    reader = Documents(
        {"https://r.test/s?q=1": page(item("a"), next="?q=2"), "https://r.test/s?q=2": page(item("b"))}
    )
    assert ids(await listed("https://r.test/s?q=1", reader)) == ["a", "b"]


async def test_the_total_of_the_search_in_a_saved_page_is_ignored(tmp_path):
    path = tmp_path / "page.json"
    path.write_text(json.dumps(page(item("a"), numberMatched=52)))
    assert (await listed(str(path), Documents()))[0] == Page(None, "", 1)


async def test_a_chosen_collection_without_items_is_reported_with_similar_ids(tmp_path):
    path = tmp_path / "items.json"
    path.write_text(json.dumps(page(item("a", "crops"), item("b", "floods"))))
    with pytest.raises(SourceError, match=r"'crop'; did you mean crops\?"):
        await listed(str(path), Documents(), collections=("crop",))
    found = await listed(str(path), Documents(), collections=("floods", "crop"))
    assert ids(found) == ["b"] and "'crop'" in flaws(found)[0].error.message
    assert ids(await listed(str(path), Documents(), collections=("floods", "x"), max_items=1)) == ["b"]
    path.write_text(json.dumps(page()))
    assert await listed(str(path), Documents(), collections=("crop",)) == [Page(None, "", 0)]


async def test_a_feature_collection_without_features_is_no_source():
    with pytest.raises(SourceError, match="no list of features"):
        await listed("https://r.test/", Documents({"https://r.test/": {"type": "FeatureCollection"}}))


async def test_hrefs_of_items_in_a_file_are_relative_to_their_self_link_on_the_web(tmp_path):
    path = tmp_path / "items.json"
    here = item("here", assets={"a": {"href": "a.tif"}}, links=[link("self", "./here.json")])
    web = item("web", assets={"a": {"href": "a.tif"}}, links=[link("self", "https://api.test/c/web")])
    path.write_text(json.dumps(page(here, web)))
    found = [one for one in await listed(str(path), Documents()) if isinstance(one, Item)]
    assert [stac.assets_of(one)[0].href for one in found] == [
        urls.from_path(tmp_path / "a.tif"),
        "https://api.test/c/a.tif",
    ]


@pytest.mark.parametrize("name", ["items.ndjson", "items.JSONL"])
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n\r\n"])
async def test_lines_are_items_and_a_broken_line_is_a_flaw(tmp_path, name, end):
    path = tmp_path / name
    path.write_bytes(b"\xef\xbb\xbf" + b"\n".join([LINES[0], b"", b"{broken", b"[]", *LINES[1:]]) + end)
    found = await listed(str(path), Documents())
    assert ids(found) == ["i0", "i1", "i2"]
    assert [one.error.kind for one in flaws(found)] == ["not-json", "bad-record"]
    assert "line 3 of" in flaws(found)[0].error.message


async def test_a_large_file_of_lines_is_read_only_as_far_as_items_are_taken(tmp_path):
    path = tmp_path / "items.ndjson"
    path.write_bytes(
        b"".join(json.dumps(item(f"i{n}", note="x" * 2000)).encode() + b"\n" for n in range(1000))
    )
    source = await recognised(str(path), Documents(), max_items=5)
    found = await entries(source)
    assert ids(found) == [f"i{n}" for n in range(5)]
    assert sum(isinstance(one, Page) for one in found) == 1
    assert len(ids(await listed(str(path), Documents()))) == 1000


async def test_lines_on_the_web_are_read_too():
    reader = Documents({"https://r.test/i.ndjson": b"\n".join(LINES)})
    assert ids(await listed("https://r.test/i.ndjson", reader)) == ["i0", "i1", "i2"]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TransferError("404", kind="not-found", status=404), SourceError),
        (TransferError("no", status=401), SourceError),
        (Transient("busy", status=503), CatalogError),
    ],
)
async def test_lines_on_the_web_that_cannot_be_read_are_reported_like_any_source(error, expected):
    class Refusing(Documents):
        async def read_bytes(self, request):
            raise error

    with pytest.raises(expected, match=r"r\.test/i\.ndjson"):
        await listed("https://r.test/i.ndjson", Refusing())


async def test_a_file_of_lines_that_cannot_be_read_is_reported_with_the_reason(tmp_path):
    (tmp_path / "i.ndjson").mkdir()
    source = of_lines(Documents(), urls.from_path(tmp_path / "i.ndjson"), Selection())
    with pytest.raises(SourceError, match=r"i\.ndjson cannot be read: Is a directory"):
        await entries(source)


async def test_a_line_may_be_a_whole_feature_collection(tmp_path):
    path = tmp_path / "items.ndjson"
    path.write_text("\n".join(json.dumps(page(item(a), item(b))) for a, b in ("ab", "cd")))
    assert ids(await listed(str(path), Documents())) == ["a", "b", "c", "d"]


@pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors in /proc")
async def test_a_file_of_lines_whose_reading_is_cancelled_is_closed(tmp_path):
    path = tmp_path / "items.ndjson"
    path.write_bytes(b"\n".join(LINES) * 100_000)
    emitted = asyncio.Event()

    async def emit(entries):
        emitted.set()
        await asyncio.Event().wait()

    source = await recognised(str(path), Documents())
    reading = asyncio.create_task(source.list(emit))
    await emitted.wait()
    assert opened(path) == 1
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert opened(path) == 0


def opened(path):
    """How many descriptors of this process refer to the file."""
    links = Path("/proc/self/fd").iterdir()
    return sum(os.path.exists(link) and os.path.samefile(link, path) for link in links)


@pytest.fixture
def typed(monkeypatch):
    """A function that writes these pieces to standard input one after another, and closes it."""

    def type_(*pieces):
        reading, writing = os.pipe()

        async def typing():
            for piece in pieces:
                await asyncio.sleep(0.002)
                os.write(writing, piece)
            os.close(writing)

        monkeypatch.setattr(sys, "stdin", os.fdopen(reading, encoding="utf-8"))
        return typing()

    return type_


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([b"\n".join(LINES)], id="lines"),
        pytest.param(
            [LINES[0][:20], LINES[0][20:] + b"\n" + LINES[1], b"\n" + LINES[2] + b"\n"], id="torn lines"
        ),
        pytest.param([b"\n \n", b"\n" + b"\n".join(LINES)], id="blank lines first"),
        pytest.param([b"\x1e" + b"\n\x1e".join(LINES) + b"\n"], id="record separators"),
        pytest.param(
            [json.dumps(page(*map(json.loads, LINES))).encode()], id="a FeatureCollection in one line"
        ),
        pytest.param(
            [json.dumps(page(*map(json.loads, LINES)), indent=1).encode()], id="a FeatureCollection, indented"
        ),
        pytest.param(
            [json.dumps(json.loads(line), indent=2).encode() for line in LINES], id="items, indented"
        ),
        pytest.param([json.dumps([*map(json.loads, LINES)]).encode()], id="an array in one line"),
        pytest.param([b"[\n" + b",\n".join(LINES) + b"\n]\n"], id="an array of lines"),
    ],
)
async def test_items_on_standard_input_may_have_any_layout(typed, pieces):
    (found, _) = await asyncio.gather(listed("-", Documents()), typed(*pieces))
    assert ids(found) == ["i0", "i1", "i2"] and flaws(found) == []


async def test_items_on_standard_input_are_listed_as_they_come(monkeypatch):
    seen = asyncio.Event()
    source = await recognised("-", Documents())
    reading, writing = os.pipe()
    monkeypatch.setattr(sys, "stdin", os.fdopen(reading, encoding="utf-8"))

    async def emit(some):
        if ids(some):
            seen.set()

    async def typing():
        os.write(writing, LINES[0] + b"\n")
        await asyncio.wait_for(seen.wait(), 60)
        os.close(writing)

    await asyncio.gather(source.list(emit), typing())


async def test_standard_input_may_be_a_file(tmp_path, monkeypatch):
    path = tmp_path / "in"
    path.write_bytes(b"\n".join(LINES))
    with path.open(encoding="utf-8") as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert ids(await listed("-", Documents())) == ["i0", "i1", "i2"]


async def test_standard_input_that_is_no_json_is_no_source(typed):
    with pytest.raises(SourceError, match="standard input is not JSON"):
        await asyncio.gather(listed("-", Documents()), typed(b"<html>\n"))


@pytest.mark.parametrize("text", [b"", b" \n\n"])
async def test_an_empty_standard_input_is_an_error(typed, text):
    with pytest.raises(SourceError, match="standard input is empty"):
        await asyncio.gather(listed("-", Documents()), typed(text))


async def test_an_empty_feature_collection_on_standard_input_is_no_items(typed):
    text = b'{"type": "FeatureCollection", "features": []}'
    found, _ = await asyncio.gather(listed("-", Documents()), typed(text))
    assert [one for one in found if not isinstance(one, Page)] == []


async def blocks(*some):
    for one in some:
        yield one


async def test_parsing_time_grows_linearly_with_the_number_of_values_on_a_line():
    with cpu_seconds_below(1):
        [records] = [found async for found in records_in(blocks(b'{"id": 1} , [2]\x1e' * 60_000), "here")]
    assert records == [{"id": 1}, 2] * 60_000


async def test_lines_and_documents_without_end_are_not_kept_in_memory():
    endless = [b"x" * (1 << 20)] * ((MAX_RECORD_BYTES >> 20) + 2)
    for begun in (b"", b"{}\n", b"{\n"):
        with pytest.raises(CatalogError, match="64 MiB"):
            async for _ in records_in(blocks(begun, *endless), "here"):
                pass


async def test_python_objects_are_items():
    one = pystac.Item(
        "p",
        None,
        None,
        None,
        {"start_datetime": "2020-01-01T00:00:00Z", "end_datetime": "2020-01-02T00:00:00Z"},
    )
    one.add_asset("a", pystac.Asset("a.tif"))
    one.set_self_href("https://api.test/c/p.json")
    found = await entries(of_objects([one, item("d"), page(item("e")), 5], Selection(ids=("p", "d", "e"))))
    assert ids(found) == ["p", "d", "e"] and len(flaws(found)) == 1
    assert [asset.href for asset in stac.assets_of(found[1])] == ["https://api.test/c/a.tif"]


async def test_python_objects_may_come_asynchronously():
    assert ids(await entries(of_objects(blocks(item("a"), item("b")), Selection()))) == ["a", "b"]


async def test_an_id_that_is_not_among_the_objects_is_a_flaw():
    source = of_objects([item("a")], Selection(ids=("a", "b")))
    found = await entries(source)
    assert ids(found) == ["a"] and [one.error.kind for one in flaws(found)] == ["not-found"]
    assert await source.refresh(Asset("https://x.test/a", "k", "a", "c")) is None


@pytest.mark.parametrize("kind", ["dict", "item", "collection of items", "catalog", "page"])
async def test_a_single_python_object_is_a_source_too(kind):
    one = item("a", properties={"datetime": "2020-01-02T03:04:05Z"}, geometry=None, stac_version="1.0.0")
    catalog = pystac.Catalog("root", "of one")
    catalog.add_item(pystac.Item.from_dict(one))
    given = {
        "dict": one,
        "item": pystac.Item.from_dict(one),
        "collection of items": pystac.ItemCollection([one]),
        "catalog": catalog,
        "page": page(one),
    }[kind]
    assert ids(await entries(of_objects(given, Selection()))) == ["a"]


@pytest.mark.parametrize("given", [None, 5])
def test_a_python_object_that_is_no_source_is_refused_by_its_type(given):
    with pytest.raises(UsageError, match=type(given).__name__):
        of_objects(given, Selection())


@pytest.mark.parametrize("self_href", ["https://r.test/deep/i.json", "{}/deep/i.json"])
async def test_hrefs_of_a_pystac_item_are_relative_to_where_it_was_read(tmp_path, self_href):
    body = item("a", assets={"k": {"href": "./k.tif"}}, properties={"datetime": "2020-01-02T03:04:05Z"})
    own = pystac.Item.from_dict({**body, "geometry": None, "stac_version": "1.0.0"})
    own.set_self_href(self_href.format(tmp_path))
    (found,) = [one for one in await entries(of_objects([own], Selection())) if isinstance(one, Item)]
    base = self_href if self_href.startswith("https:") else urls.from_path(tmp_path / "deep/i.json")
    assert stac.assets_of(found)[0].href == base.replace("i.json", "k.tif")
