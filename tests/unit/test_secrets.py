"""Secrets are not in values that are printed, in documents that are written, or in messages."""

import ast
import json
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import mlhub_async
from mlhub_async import Options
from mlhub_async.core import urls
from mlhub_async.core.model import Asset, Document, Head, Item, Request
from mlhub_async.stac.write.encode import to_json
from support.machine_speed import cpu_seconds_below
from support.one_request import CANARY

PACKAGE = Path(mlhub_async.__file__).parent
SIGNED = f"https://h.test/x?a=1&sig={CANARY}"
HEADERS = {"Authorization": CANARY}


@pytest.mark.parametrize(
    "value",
    [
        Options(api_key=CANARY, api_token=CANARY, proxy=CANARY, headers=(("X", CANARY),)),
        Request(SIGNED, headers=HEADERS, body=CANARY.encode()),
        Request(f"https://u:{CANARY}@h.test/"),
        Head(200, {"Set-Cookie": CANARY}, SIGNED),
        Asset(SIGNED, "key", "item", "collection"),
        Item("i", "c", {"href": SIGNED}, SIGNED),
        Document({"href": SIGNED}, SIGNED),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_that_holds_a_secret_does_not_print_it(value):
    for shown in (repr(value), str(value), f"{value}", f"{[value]}", f"{(value,)!r:>9}"):
        assert CANARY not in shown


names = st.sampled_from(
    ["sig", "key", "X-Amz-Signature", "k%65y", "page", "token", "a b", "SIG", "expires", ""]
)
tails = st.lists(st.tuples(names, st.sampled_from('?&;=#"\\/é@:%20\n')), max_size=4).map(
    lambda pairs: "&".join(f"{name}={value}" for name, value in pairs)
)
hrefs = st.builds(
    "{}://{}h.test/{}?{}".format,
    st.sampled_from(["https", "s3", "az", "ftp", "HTTP"]),
    st.sampled_from(["", "me@", f"me:{CANARY}@"]),
    st.sampled_from(["", "x", 'é"\\', "a/b"]),
    tails,
)


@given(hrefs, st.text(max_size=5))
@example('https://h.test/?page="&sig=?', "")
@example('https://me"x@h.test/', "")
def test_a_written_document_loses_secrets_of_urls_and_nothing_else(href, text):
    document = {"a": [{"deep": href, text: text}], "b": f"said: {href}"}
    written = json.loads(to_json(document))
    assert CANARY not in written["a"][0]["deep"]
    assert written == {"a": [{"deep": urls.without_credentials(href), text: text}], "b": f"said: {href}"}


@given(st.text(alphabet='abk?&=#@:/%sigey65 "\\', max_size=40))
def test_a_text_that_only_looks_like_a_url_loses_at_most_credentials(text):
    assert json.loads(to_json({"a": text}))["a"] in (text, urls.without_credentials(text))


@pytest.mark.parametrize(
    ("url", "left"),
    [
        ("https://h/x?a=1&sig=S&b=%20", "https://h/x?a=1&b=%20"),
        ("https://me:S@h/x", "https://h/x"),
        ("https://h/x?sig=S#f", "https://h/x#f"),
        ("https://h/x?", "https://h/x?"),
        ("https://H:443/%7e", "https://H:443/%7e"),
        ("mailto:me@h", "mailto:me@h"),
    ],
)
def test_a_url_without_credentials_is_otherwise_as_it_was_written(url, left):
    assert urls.without_credentials(url) == left


@pytest.mark.parametrize("more", ["", "?a=1", "?key=K&a=1"])
def test_a_download_token_is_not_written_anywhere_in_a_document(more):
    url = f"https://h.test/download/{CANARY}{'t' * 40}"
    written = to_json({"providers": [{"name": "/download/x", "url": url + more}], "x": {"y": [url]}})
    assert CANARY.encode() not in written
    assert json.loads(written)["x"]["y"] == [urls.without_credentials(url)] and b"/download/~" in written
    named = {"href": f"https://h.test/download/{'t' * 40}.tif"}
    assert json.loads(to_json(named)) == named


NAMES_URL = re.compile(r"(^|[._])(url|href|location|uri)$")


def urls_in_messages(tree):
    """Expressions that put a URL into a text that is raised, warned or printed, with their lines."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) or (isinstance(node, ast.Call) and _is_message(node.func)):
            for value in ast.walk(node):
                if isinstance(value, ast.FormattedValue) and NAMES_URL.search(ast.unparse(value.value)):
                    found.add(f"{ast.unparse(value.value)} in line {value.lineno}")
    return found


ERRORS = ("Error", "Flaw", "Transient", "Corrupt", "PartialLost", "LocalShortage", "Warning")
MESSAGES = (*ERRORS, "warning", "warn", "emit", "say", "print")


def _is_message(called):
    name = ast.unparse(called).rpartition(".")[2]
    return name.endswith(MESSAGES)


def test_the_search_for_urls_in_messages_finds_planted_ones():
    bad = ast.parse(
        "def f(request, href):\n    raise TransferError(f'{request.url}: no')\n    say(f'{href!r}')"
    )
    assert len(urls_in_messages(bad)) == 2
    assert not urls_in_messages(ast.parse("raise TransferError(f'{redacted(request.url)}: no')"))


def test_every_url_in_a_message_is_redacted():
    files = [path for path in PACKAGE.rglob("*.py") if "demo" not in path.parts]
    found = {path.name: urls_in_messages(ast.parse(path.read_text())) for path in files}
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "text",
    ["http://x/?" + "a&" * 50_000, "?&" * 50_000, "a://" * 50_000 + "@", "?" + "%" * 99_999, '"?@' * 50_000],
    ids=range(5),
)
def test_the_search_for_secrets_takes_linear_time(text):
    with cpu_seconds_below(2):
        to_json({"a": text})
