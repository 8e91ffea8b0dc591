"""Paging errors: empty pages, loops, pages that are too large, refusals, and documents that are no page."""

import json

import aiohttp
import pytest

from mlhub_async import stac
from mlhub_async.core.errors import CatalogError, SourceError, TransferError, Transient
from mlhub_async.core.model import Request
from mlhub_async.http.status import classified
from mlhub_async.stac.listing.paging import LoopGuard
from support.documents import Documents, ids, item, page, posted, walked

ITEMS = [item(f"i{n}") for n in range(5)]
ROOT = "https://api.test/items"


async def test_an_empty_page_with_a_next_link_is_not_the_end_and_one_without_is():
    reader = Documents(
        {ROOT: page(next="?n=2"), f"{ROOT}?n=2": page(ITEMS[0], next="?n=3"), f"{ROOT}?n=3": page()}
    )
    assert await walked(reader, Request(ROOT)) == [0, 1, 0]


async def test_ten_empty_pages_in_a_row_are_accepted_and_an_eleventh_is_not():
    def empties(n: int) -> Documents:
        chain = {f"{ROOT}?n={k}": page(next=f"?n={k + 1}") for k in range(n)}
        return Documents({**chain, f"{ROOT}?n={n}": page(ITEMS[0])})

    assert await ids(empties(10), Request(f"{ROOT}?n=0")) == ["i0"]
    with pytest.raises(CatalogError, match="11 empty pages"):
        await ids(empties(11), Request(f"{ROOT}?n=0"))


async def test_a_page_that_names_itself_as_the_next_is_a_loop():
    reader = Documents({ROOT: page(ITEMS[0], next=ROOT)})
    with pytest.raises(CatalogError) as failure:
        await ids(reader, Request(ROOT))
    assert (failure.value.kind, len(reader.asked)) == ("pagination-loop", 1)


async def test_the_same_search_with_its_keys_in_another_order_is_a_loop():
    again = {"href": ROOT, "method": "POST", "body": {"limit": 2, "a": {"y": 1, "x": 2}}}
    first = {"a": {"x": 2, "y": 1}, "limit": 2}
    reader = Documents({posted(ROOT, first): page(ITEMS[0], next=again)})
    with pytest.raises(CatalogError, match="loop"):
        await ids(reader, stac.post_request(ROOT, first))


async def test_three_pages_of_records_that_came_before_are_a_loop_whatever_their_tokens():
    chain = {f"{ROOT}?t={k}": page(ITEMS[k % 2], next=f"?t={k + 1}") for k in range(9)}
    reader = Documents(chain)
    with pytest.raises(CatalogError) as failure:
        await ids(reader, Request(f"{ROOT}?t=0"))
    assert (failure.value.kind, len(reader.asked)) == ("pagination-loop", 5)


async def test_a_server_that_starts_over_after_its_last_page_is_a_loop():
    chain = {f"{ROOT}?t={k}": page(item(f"i{k % 50}"), next=f"?t={k + 1}") for k in range(60)}
    reader = Documents(chain)
    with pytest.raises(CatalogError, match="repeat"):
        await ids(reader, Request(f"{ROOT}?t=0"))
    assert len(reader.asked) == 53


async def test_pages_that_overlap_are_no_loop():
    chain = {f"{ROOT}?t={k}": page(item(f"i{k}"), item(f"i{k + 1}"), next=f"?t={k + 1}") for k in range(20)}
    assert await walked(Documents({**chain, f"{ROOT}?t=20": page()}), Request(f"{ROOT}?t=0")) == [2] * 20 + [
        0
    ]


async def test_records_without_ids_are_no_loop_as_long_as_they_differ():
    chain = {f"{ROOT}?t={k}": page({"n": k}, next=f"?t={k + 1}") for k in range(6)}
    assert len(await walked(Documents({**chain, f"{ROOT}?t=6": page()}), Request(f"{ROOT}?t=0"))) == 7


class Limited(Documents):
    """A server that pages by offset, and fails with `error` for page sizes over `most`."""

    def __init__(self, most: int, error: TransferError, own: int = 10) -> None:
        super().__init__()
        self.most, self.error, self.own, self.sizes = most, error, own, []

    async def read(self, request):
        asked = aiohttp.client.URL(request.url).query if not request.body else json.loads(request.body)
        limit, at = int(asked.get("limit", self.own)), int(asked.get("skip", 0))
        self.sizes.append(limit)
        if limit > self.most:
            raise classified(self.error)
        following = {"href": f"{ROOT}?limit=100&skip={at + limit}"}
        if request.body:
            following = {"href": ROOT, "method": "POST", "body": {"limit": 100, "skip": at + limit}}
        records = [item(f"i{n}") for n in range(at, min(60, at + limit))]
        self.known[posted(ROOT, asked) if request.body else request.url] = page(
            *records, next=following if at + limit < 60 else None
        )
        return await super().read(request)


@pytest.mark.parametrize(
    "error",
    [TransferError("no", status=status) for status in (400, 413, 422)]
    + [Transient("no", status=status) for status in (500, 502)]
    + [TransferError("bomb", kind="too-big"), Transient("no data in time", kind="timeout")],
    ids=["400", "413", "422", "500", "502", "too-big", "timeout"],
)
@pytest.mark.parametrize("request_", [Request(f"{ROOT}?limit=100"), stac.post_request(ROOT, {"limit": 100})])
async def test_a_page_that_fails_is_asked_for_at_half_the_size(error, request_):
    reader = Limited(25, error)
    assert await ids(reader, request_) == [f"i{n}" for n in range(60)]
    assert reader.sizes == [100, 50, 25, 25, 25]


async def test_the_page_size_is_not_halved_below_ten():
    reader = Limited(1, Transient("no", status=500))
    with pytest.raises(CatalogError, match="page 1 of"):
        await ids(reader, Request(f"{ROOT}?limit=45"))
    assert reader.sizes == [45, 22, 11, 10]


@pytest.mark.parametrize("request_", [Request(f"{ROOT}?limit=40"), stac.post_request(ROOT, {"limit": 40})])
async def test_a_server_that_refuses_every_page_size_is_asked_without_one(request_):
    reader = Limited(4, TransferError("no", status=400), own=4)
    assert len(await ids(reader, request_)) == 60
    assert reader.sizes == [40, 20, 10, *[4] * 15]


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_first_page_is_reported_with_the_credentials_to_set(status):
    with pytest.raises(SourceError, match="MLHUB_API_KEY"):
        await ids(Documents({ROOT: TransferError("no", status=status)}), Request(ROOT))


async def test_a_first_page_that_does_not_exist_is_reported():
    with pytest.raises(SourceError, match=r"api\.test/items does not exist"):
        await ids(Documents(), Request(ROOT))


async def test_a_key_that_is_not_accepted_any_more_is_no_temporary_error():
    second = TransferError("no", status=401)
    reader = Documents({ROOT: page(ITEMS[0], next="?n=2"), f"{ROOT}?n=2": second})
    with pytest.raises(SourceError, match="MLHUB_API_KEY"):
        await ids(reader, Request(ROOT))


async def test_a_refused_search_is_no_temporary_error():
    with pytest.raises(SourceError, match="--method"):
        await ids(Documents({ROOT: TransferError("405", status=405)}), Request(ROOT))


@pytest.mark.parametrize("error", [Transient("503", status=503), TransferError("gone", status=404)])
async def test_a_later_page_that_fails_is_reported_by_its_number_after_the_pages_before(error):
    reader = Documents({ROOT: page(ITEMS[0], next="?n=2&token=x"), f"{ROOT}?n=2&token=x": error})
    found = []
    with pytest.raises(CatalogError, match="page 2 of"):
        async for one in stac.pages(reader, Request(ROOT)):
            found += one.records
    assert found == [ITEMS[0]]


@pytest.mark.parametrize("body", [[], "x", 3, {}, {"features": None}, {"features": {}}])
async def test_json_that_is_no_page_is_reported_by_the_number_of_the_page(body):
    reader = Documents({ROOT: page(ITEMS[0], next="?n=2"), f"{ROOT}?n=2": body})
    with pytest.raises(CatalogError, match="page 2 of"):
        await ids(reader, Request(ROOT))


@pytest.mark.parametrize(
    ("more", "matched"),
    [
        ({"numberMatched": 7}, 7),
        ({"context": {"matched": 52, "limit": 10}}, 52),
        ({"search:metadata": {"matched": 3}}, 3),
        ({"numberMatched": "7"}, 7),
        ({"numberMatched": "unknown"}, None),
        ({"numberMatched": -1, "context": None}, None),
        ({}, None),
    ],
)
async def test_the_total_of_the_server_is_read_in_all_spellings(more, matched):
    found = [one async for one in stac.pages(Documents({ROOT: page(**more)}), Request(ROOT))]
    assert [one.matched for one in found] == [matched]


async def test_errors_of_paging_show_no_secrets_of_the_url():
    with pytest.raises(SourceError) as failure:
        await ids(Documents(), Request(f"{ROOT}?key=s3cret-key&sig=abcdef"))
    assert "s3cret" not in str(failure.value) and "abcdef" not in str(failure.value)


def test_the_memory_of_the_loop_guard_is_bounded():
    guard = LoopGuard(memory=3)
    for n in range(5):
        guard.add_request(Request(f"{ROOT}?t={n}"), n)
    guard.add_request(Request(f"{ROOT}?t=0"), 6)
    with pytest.raises(CatalogError):
        guard.add_request(Request(f"{ROOT}?t=4"), 7)
