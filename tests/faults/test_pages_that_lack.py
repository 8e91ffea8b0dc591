"""Pages that lack records, or the link to the next page, and say so by nothing but their own counts."""

import json
from urllib.parse import parse_qsl

import pytest

from support.mirrored import Mirrored, publish
from support.stac_server import Api, answer

NAMES = [f"i{number}" for number in range(8)]
ASKED_FOR_ONE = "/stac/collections/c1/items?limit=1"


class Bent(Api):
    """An API whose pages are changed by `bend`, with the parameters of the request, before they are sent."""

    def page(self, seen, fixed):
        document = json.loads(super().page(seen, fixed).body)
        return answer(self.bend(dict(parse_qsl(seen.query)), document), "application/geo+json")

    def bend(self, asked, document):
        return document


def api(site, bend, page_size=4, items=None, **about):
    bent = Bent(site, items or publish(site, NAMES), page_size, **about)
    bent.bend = bend
    return bent.url


@pytest.mark.parametrize("names", [("numberReturned",), ("context", "returned")])
def test_a_page_with_fewer_items_than_it_says_is_not_complete(site, run_cli, dest, names):
    def bend(asked, document):
        document["links"] = [one for one in document["links"] if one["rel"] == "next"]
        count = len(document["features"])
        document |= {names[0]: count if len(names) == 1 else {names[1]: count}}
        if asked.get("token"):
            document["features"].pop(0)
        return document

    source = api(site, bend, matched=False)
    ran = run_cli("mirror", source, dest, "-c", "c1")
    assert ran.code == 5 and "c1 says of its pages that more items belong to them" in ran.err, ran.err
    assert len(Mirrored(dest).files) == 7 and not Mirrored(dest).receipt["listing"]["complete"]
    assert run_cli("verify", dest).code == 5


def test_a_full_page_of_a_server_without_links_is_not_complete(site, run_cli, dest):
    source = api(site, lambda asked, document: {**document, "links": []}, 100, matched=False)
    ran = run_cli("mirror", source, dest, "-c", "c1", "--limit", "5")
    assert ran.code == 5 and "try --limit" in ran.err, ran.err
    assert len(Mirrored(dest).files) == 5
    assert run_cli("mirror", source, dest, "-c", "c1", "--limit", "100").code == 0
    assert len(Mirrored(dest).files) == 8


@pytest.mark.parametrize("limit", [8, 5])
def test_a_full_page_that_is_all_there_is_is_complete(site, run_cli, dest, limit):
    source = api(site, lambda asked, document: document, 100, matched=False)
    assert run_cli("mirror", source, dest, "-c", "c1", "--limit", limit).code == 0
    assert len(Mirrored(dest).files) == 8
    asked = sum(seen.target == ASKED_FOR_ONE for seen in site.log)
    assert asked == (limit == 8), "only an only page that is full needs to be proven"


def failing(errors):
    """Every second page is the next one of these, as long as there is one."""
    left = list(errors)

    def bend(asked, document):
        return left.pop(0) if asked.get("token") and left else document

    return bend


def test_an_error_in_place_of_a_page_that_passes_is_asked_past(site, run_cli, dest):
    source = api(site, failing([{"code": "Timeout", "description": "canceling statement"}]), matched=False)
    assert run_cli("mirror", source, dest, "-c", "c1").code == 0
    assert len(Mirrored(dest).files) == 8


@pytest.mark.parametrize(("numbers", "code"), [((1, 2), 5), ((1, 1), 4)])
def test_an_error_that_differs_each_time_is_temporary_and_the_same_twice_is_not(
    site, run_cli, dest, numbers, code
):
    source = api(site, failing({"code": "Timeout", "request": one} for one in numbers), matched=False)
    ran = run_cli("mirror", source, dest, "-c", "c1")
    assert ran.code == code and "has no list of features" in ran.err, ran.err
    assert len(Mirrored(dest).files) == 4


def test_a_count_that_was_kept_in_a_list_of_items_is_no_statement_about_it(site, run_cli, dest, tmp_path):
    """Such a list is often an answer of an API, of which somebody has removed items."""
    kept = {"type": "FeatureCollection", "numberReturned": 9, "features": publish(site, NAMES)}
    (tmp_path / "items.json").write_text(json.dumps(kept))
    assert run_cli("mirror", tmp_path / "items.json", dest).code == 0
    assert len(Mirrored(dest).files) == 8


def test_as_many_items_as_were_named_need_no_further_page(site, run_cli, dest):
    source = api(site, lambda asked, document: {**document, "links": []}, 100, matched=False)
    ids = [word for name in NAMES[:5] for word in ("--ids", name)]
    assert run_cli("mirror", source, dest, *ids, "--limit", "5").code == 0
    assert len(Mirrored(dest).files) == 5
