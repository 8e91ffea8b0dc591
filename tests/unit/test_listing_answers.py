"""Answers of stores and hubs in every form that XML and RFC 8288 allow: no name is lost, none is another."""

import asyncio
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlhub_async.core.errors import CatalogDefect, Transient
from mlhub_async.core.formats.xml_text import unescaped
from mlhub_async.core.options import Selection
from mlhub_async.core.ports import Answer
from mlhub_async.core.urls import AZURE, S3, StoreAddress
from mlhub_async.sources.files.hubs.link_field import link_of
from mlhub_async.sources.files.source import FilesSource
from mlhub_async.sources.files.stores.azure import AzureListing
from mlhub_async.sources.files.stores.s3 import S3Listing
from mlhub_async.storage.bucket.apis.azure import AzureApi
from mlhub_async.storage.bucket.apis.s3 import S3Api
from mlhub_async.storage.bucket.objects import BucketObjects

NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\ufffe\uffff").filter(
        lambda one: one == "\t" or one >= " "
    ),
    min_size=1,
    max_size=12,
)


def with_entities(text):
    return escape(text, {'"': "&quot;", "'": "&apos;"})


def with_numbers(text):
    return "".join(f"&#{ord(one)};" for one in text)


def with_hexadecimals(text):
    return "".join(f"&#x{ord(one):X};" if one in "&<>\x7f" or ord(one) > 126 else one for one in text)


def as_section(text):
    return "<![CDATA[" + text.replace("]]>", "]]]]><![CDATA[>") + "]]>"


FORMS = st.sampled_from([escape, with_entities, with_numbers, with_hexadecimals, as_section])
WRAPPINGS = st.sampled_from(["", " xmlns='http://s3.amazonaws.com/doc/2006-03-01/'", " ", "\n  a='1' b='2'"])
PREFIXES = st.sampled_from(["", "ns2:"])


class Answers:
    def __init__(self, body):
        self._body = body

    async def read_bytes(self, request):
        return self._body, request.url


class Requests:
    """A store that gives one answer to every request."""

    def __init__(self, body):
        self._answer = Answer({}, body.encode())

    async def ask(self, request, check, again=None):
        check(self._answer)
        return self._answer


def keys_of(kind, service, body):
    listing = kind(Answers(body.encode()), StoreAddress(service, "b", "", "account"), "")
    return [one.key for one in asyncio.run(listing.read_page("", "")).files]


def url_of(key):
    return f"http://h.test/b/{key}"


@given(st.lists(NAMES, max_size=4, unique=True), FORMS, WRAPPINGS, PREFIXES, st.booleans())
def test_s3(names, form, wrapping, prefix, has_comments):
    p, comment = prefix, "<!-- <Key>no</Key> -->" * has_comments
    rows = "".join(
        f"<{p}Contents{wrapping}>{comment}<{p}Key>{form(name)}</{p}Key><{p}Owner xsi:type='x'/>"
        f"<{p}Size>5</{p}Size></{p}Contents>"
        for name in names
    )
    body = (
        f"<?xml version='1.0'?><{p}ListBucketResult{wrapping}><{p}IsTruncated>false</{p}IsTruncated>"
        f"{rows}</{p}ListBucketResult>\n"
    )
    assert keys_of(S3Listing, S3, body) == names
    page = S3Api(url_of).page("", "").read(Answer({}, body.encode()))
    assert [(one.key, one.size) for one in page.objects] == [(name, 5) for name in names]


@given(st.lists(NAMES, max_size=4, unique=True), FORMS, st.sampled_from(["", ' Encoded="false"']))
def test_azure(names, form, attribute):
    rows = "".join(
        f"<Blob><Name{attribute}>{form(name)}</Name><Properties><Content-Length>5</Content-Length>"
        "</Properties></Blob>"
        for name in names
    )
    body = (
        '\ufeff<?xml version="1.0"?><EnumerationResults ServiceEndpoint="https://a/" ContainerName="b">'
        f"<Blobs>{rows}</Blobs><NextMarker /></EnumerationResults>"
    )
    assert keys_of(AzureListing, AZURE, body) == names
    page = AzureApi(url_of).page("", "").read(Answer({}, body.encode()))
    assert [(one.key, one.size) for one in page.objects] == [(name, 5) for name in names]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("&#133;&#x80;", "\x85\x80"),
        ("&amp;lt;", "&lt;"),
        ("&copy;&amp", "&copy;&amp"),
        ("&#xD800;", "\ufffd"),
    ],
)
def test_references_are_those_of_xml_and_not_of_html(written, meant):
    assert unescaped(written) == meant


NAMELESS = "<ListBucketResult><Contents><Size>5</Size></Contents></ListBucketResult>"
ENDLESS = "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"


async def test_an_object_without_a_name_ends_a_listing():
    listing = S3Listing(Answers(NAMELESS.encode()), StoreAddress(S3, "b", "", ""), "")
    source = FilesSource(listing, Selection())
    with pytest.raises(CatalogDefect, match="a file without a name"):
        await source.list(ignore)
    objects = BucketObjects(Requests(NAMELESS), S3Api(url_of))
    with pytest.raises(Transient, match="without a name"):
        [page async for page in objects.listing("")]


async def ignore(entries): ...


async def test_a_page_that_does_not_say_how_to_go_on_is_no_end_of_what_a_bucket_holds():
    with pytest.raises(Transient, match="not how to go on"):
        S3Api(url_of).page("", "").read(Answer({}, ENDLESS.encode()))


TARGET = "https://hub.test/api?cursor=a,b;c"
PARAMETERS = [
    'rel="next"',
    "rel=next",
    "REL = Next",
    'rel="prev next"',
    'rel="next last"; title="x"',
    'title="a, <b>; rel=first"; rel=next',
    r'title="say \"; rel=last"; rel="next"',
    "crossorigin; rel=next",
    'rel=next; rel="first"',
    "; rel=next;",
]
OTHERS = [
    "<https://cdn.test/x>; rel=preconnect",
    '<first>; rel="first"; title="rel=next"',
    "<n>;rel=nextish",
    "<x>",
]


@given(st.sampled_from(PARAMETERS), st.lists(st.sampled_from(OTHERS), max_size=3), st.integers(0, 3))
def test_the_next_page_is_found_among_other_links(parameters, others, at):
    links = [*others[:at], f"<{TARGET}>; {parameters}", *others[at:]]
    assert link_of(", ".join(links), "next") == TARGET
    assert link_of(",".join(others), "next") is None


@given(st.text("<>;,=\"\\ relnxt'a", max_size=60))
def test_any_text_as_links(text):
    found = link_of(text, "next")
    assert found is None or found in text
