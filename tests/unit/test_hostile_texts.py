"""Parsers of text that servers, catalogues and users write: each gives a value or the error it declares."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlhub_async.api.pages.serving.files.ranges import requested
from mlhub_async.cli import parsing
from mlhub_async.cli.settings.config_files import _parsed as parse_config
from mlhub_async.core import http_date
from mlhub_async.core.checksum import from_headers
from mlhub_async.core.errors import MlhubError, UsageError
from mlhub_async.core.formats.archives.errors import ArchiveDefect
from mlhub_async.core.formats.archives.tar_stream import TarStream
from mlhub_async.core.formats.checks.archives import _PAX_SIZE
from mlhub_async.core.formats.xml_text import elements, plain_xml
from mlhub_async.core.json_text import JSONDecodeError, standard
from mlhub_async.core.urls import AZURE, S3, StoreAddress, redacted
from mlhub_async.http.resilience.retry_after import retry_after
from mlhub_async.http.transport.fast.chunks import ChunkedBody
from mlhub_async.http.transport.fast.head import BadResponseError, ResponseParser
from mlhub_async.http.validators import content_range, modified_at, strong_validator
from mlhub_async.sources.files.hubs.link_field import link_of
from mlhub_async.sources.files.stores.azure import AzureListing
from mlhub_async.sources.files.stores.s3 import S3Listing
from mlhub_async.sources.linked.local_files import _names_a_user
from mlhub_async.stac.conditions.cql2 import cql2_test
from support.archives import tarred
from support.machine_speed import cpu_seconds_below

DIGITS = "9" * 400
DATES = ["Wed, 21 Oct 2015 07:28:00 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]


def mutated(seeds, words):
    """The seeds with pieces cut out and words put in, of text or of bytes."""
    filler = st.binary(max_size=4) if isinstance(seeds[0], bytes) else st.text(max_size=4)
    change = st.tuples(st.integers(0, 10**6), st.integers(0, 12), st.sampled_from(words) | filler)

    def apply(seed, changes):
        for place, width, word in changes:
            at = place % (len(seed) + 1)
            seed = seed[:at] + word + seed[at + width :]
        return seed

    return st.builds(apply, st.sampled_from(seeds), st.lists(change, max_size=5))


ODD = [DIGITS, "-", "+", ":", ",", "GMT", "nan", "inf", "e400", "٣", "\0", " ", "9999", "0"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (DATES[0], datetime(2015, 10, 21, 7, 28, tzinfo=UTC)),
        (DATES[1], datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)),
        (DATES[2], datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)),
        ("Wed, 21 Oct 2015 09:28:00 +0200", datetime(2015, 10, 21, 7, 28, tzinfo=UTC)),
        (f"Wed, 21 Oct 2015 0{DIGITS}:00 GMT", None),
        (f"Wed, 21 Oct {DIGITS} 07:28:00 GMT", None),
        ("Wed, 31 Feb 2015 07:28:00 GMT", None),
        ("", None),
    ],
)
def test_a_date_of_http_is_its_time_or_none(text, found):
    assert http_date(text) == found


@pytest.mark.parametrize("modified", ["Sun Nov  6 08:49:37 1994", "Sun, 06 Nov 1994 08:49:37"])
def test_a_date_without_a_zone_is_no_validator(modified):
    assert strong_validator({"last-modified": modified, "date": DATES[0]}) == ""


FIELDS = ["date", "last-modified", "etag", "content-range", "retry-after", "ratelimit", "ratelimit-reset"]
VALUES = [*DATES, "bytes 0-9/100", "bytes */100", '"a"', "120", "1.5", '"x";r=0;t=5', "1700000000000"]


@given(st.dictionaries(st.sampled_from(FIELDS), mutated(VALUES, [*ODD, "/", "*", ";"]), max_size=5))
def test_header_fields(fields):
    for read in (strong_validator, modified_at, content_range):
        read(fields)
    seconds = retry_after(fields)
    assert seconds is None or 0 < seconds < 1e16


CHUNKED = [b"5\r\nhello\r\n0\r\n\r\n", b"3;a=b\r\nabc\r\n2 \r\nde\r\n0\r\nX: y\r\n\r\n"]


def decoded(pieces):
    body, found = ChunkedBody(), b""
    try:
        for piece in pieces:
            found += body.feed(memoryview(piece))
    except BadResponseError:
        return None
    return found, body.complete


@given(mutated(CHUNKED, [b"\r\n", b"\n", b";", b"F" * 17, b"0"]), st.integers(0, 40))
def test_a_chunked_body_means_the_same_however_it_is_cut(body, at):
    assert decoded([body[:at], body[at:]]) == decoded([body])


OPTIONS = ["size", "seconds", "interval", "number", "count", "shard", "bbox", "geometry", "query", "header"]
WORDS = ["10M", "1.5G", "90s", "1/2", "1,2,3,4", "a<10", '{"type":"Point","coordinates":[1,2]}', "X-A: b"]


@pytest.mark.parametrize("name", OPTIONS)
@given(text=mutated(WORDS, [*ODD, "{", "[", '"', "=", "\ud800"]))
def test_options(name, text):
    with suppress(ValueError, MlhubError, click.ClickException):
        getattr(parsing, name)(text)


@pytest.mark.parametrize("option", ["--bwlimit", "--timeout", "--max-duration", "--min-size"])
def test_a_number_of_very_many_digits_is_refused_in_one_line(run_cli, dest, option):
    ended = run_cli("mirror", "http://127.0.0.1:1/", dest, option, DIGITS)
    assert ended.code == 2 and f"Invalid value for '{option}'" in ended.err, ended.err


TOML = [
    b'max-per-host = 8\nheader = ["X: y"]\n[mirror]\ndurability="full"\n',
    b"a.b={d=1}\n[[x]]\ny=1979-05-27\n",
]
PARTS = [
    b"[",
    b"]",
    b"{a=",
    b'"',
    b"=",
    b"\n",
    b"[" * 3000,
    b"{a=" * 3000,
    b"9" * 5000,
    b"\xff",
    b"2000-13-41",
]


@given(mutated(TOML, PARTS))
def test_configuration_files(text):
    with suppress(UsageError):
        parse_config("file", text)


@pytest.mark.parametrize("value", ["9" * 5000, "[" * 5000, "{a=" * 5000], ids=["digits", "lists", "tables"])
def test_a_configuration_file_that_python_does_not_read_is_named(run_cli, dest, tmp_path, value):
    (tmp_path / "c.toml").write_text(f"bwlimit = {value}")
    ended = run_cli("ls", "mlhub", env={"MLHUB_CONFIG": str(tmp_path / "c.toml")})
    assert ended.code == 2 and f"{tmp_path}/c.toml is" in ended.err, ended.err


class Answers:
    """Gives one body to every request."""

    def __init__(self, body):
        self._body = body

    async def read_bytes(self, request):
        return self._body, request.url


OBJECT = (
    b"<Contents><Key>a%2Fb</Key><LastModified>2020-01-01T00:00:00Z</LastModified><Size>5</Size></Contents>"
)
BLOB = (
    b"<Blob><Name>a/b</Name><Properties><Last-Modified>Wed, 21 Oct 2015 07:28:00 GMT</Last-Modified>"
    b"<Content-Length>5</Content-Length><Content-MD5>1B2M2Y8AsgTpgAmY7PhCfg==</Content-MD5></Properties></Blob>"
)
LISTINGS = [
    (S3Listing, S3, b"<ListBucketResult><IsTruncated>false</IsTruncated>" + OBJECT + b"</ListBucketResult>"),
    (
        AzureListing,
        AZURE,
        b"<EnumerationResults><Blobs>" + BLOB + b"</Blobs><NextMarker/></EnumerationResults>",
    ),
]
XML = [
    b"<",
    b">",
    b"&#0;",
    b"&#xD800;",
    b"&#99999999999;",
    b"%ff",
    b"-1",
    DIGITS.encode(),
    b"\xff",
    b"<Size>",
]


@pytest.mark.parametrize(("kind", "service", "body"), LISTINGS, ids=["s3", "azure"])
@given(data=st.data())
def test_listings_of_stores(kind, service, body, data):
    listing = kind(Answers(data.draw(mutated([body], XML))), StoreAddress(service, "b", "", "account"), "")
    try:
        page = asyncio.run(listing.read_page("", "", level=True))
    except MlhubError:
        return
    assert all(isinstance(one.key, str) for one in page.files)


FILTERS = ["a = 1 AND (b LIKE 'x%' OR c IN (1,2))", "S_INTERSECTS(geometry,POINT(1 2))", "NOT a IS NULL"]


@given(mutated(FILTERS, ["(", ")", "'", "NOT ", " = ", DIGITS, "((((((", "DATE('x')", "^ 2"]))
def test_filters(text):
    with suppress(UsageError):
        cql2_test(text)({"id": "i", "properties": {"a": 1, "b": "x"}, "geometry": None})


@pytest.mark.parametrize(
    "text", ["(" * 40 + "a = 1", "(" * 40 + "a = " + ")" * 40, "a = " + "(" * 40 + "1 +" + ")" * 40]
)
def test_a_mistake_inside_of_many_parentheses_is_told_at_once(text):
    with pytest.raises(UsageError, match="parentheses"):
        cql2_test(text)


def test_parentheses_in_texts_and_names_do_not_count():
    assert cql2_test(f"a = '{'(' * 40}'")({"properties": {"a": "(" * 40}})


class Nothing:
    """Takes the members of a tar and keeps none."""

    def begin(self, name, size, modified):
        assert size >= 0

    def write(self, data): ...

    def end(self): ...

    def refuse(self, name, what): ...


TAR = tarred({"a.tif": b"z" * 700, "d/" + "x" * 120: b"abc", "é": b""})


@given(
    mutated([TAR], [b"7" * 12, b"\xff" * 12, b"\x80" + bytes(11), b"-1", b"20 size=-5\n", b"L", b"x", b"g"])
)
def test_tars(body):
    stream = TarStream(Nothing())
    with suppress(ArchiveDefect):
        for at in range(0, len(body), 997):
            stream.feed(body[at : at + 997])
        stream.finish()


@pytest.mark.parametrize("opening", ["<![CDATA[", "<!--", "<a ", "<a:", "<"])
def test_a_listing_of_openings_without_end_takes_linear_time(opening):
    with cpu_seconds_below(2):
        plain_xml(opening * 100_000)


@pytest.mark.parametrize(
    "text", ["<" * 65_000, "<a>" + ";" * 65_000, "<a>; a" + " " * 65_000, '<a>; a="' * 8_000]
)
def test_a_link_field_of_openings_takes_linear_time(text):
    with cpu_seconds_below(2):
        assert link_of(text, "next") is None


@pytest.mark.parametrize("start", ["<![CDATA[", "<!--"])
def test_a_section_without_an_end_takes_the_rest(start):
    assert plain_xml(f"<Key>a{start}</Key><Key>b</Key>").startswith("<Key>a")
    assert "<Key>b" not in plain_xml(f"<Key>a{start}</Key><Key>b</Key>")


@pytest.mark.parametrize(
    "line", [b"a" * 60_000, b"a:" * 30_000 + b"\x01", b"A: b\r\n" + b" " * 60_000 + b"\x01"]
)
def test_a_long_line_of_a_head_takes_linear_time(line):
    with cpu_seconds_below(2), suppress(BadResponseError):
        ResponseParser(memoryview(b"HTTP/1.1 200 OK\r\n" + line + b"\r\n\r\n"))


@pytest.mark.parametrize("field", ["digest", "repr-digest", "content-digest", "x-goog-hash"])
@pytest.mark.parametrize(
    "text", ["a" * 60_000, "a=" + "b" * 60_000, "a=b" + " " * 60_000 + "x", "a=:" * 20_000]
)
def test_a_field_of_digests_takes_linear_time(field, text):
    with cpu_seconds_below(2):
        from_headers({field: text})


def test_a_range_field_of_commas_takes_linear_time():
    with cpu_seconds_below(2):
        assert requested("bytes=0-0" + ", " * 10_000 + "x", 100) is None
    assert requested("bytes=0-0 , ,2-3,", 100) == [range(1), range(2, 4)]


@pytest.mark.parametrize("text", ["z:" * 32_000, ":" * 65_000, "//" + ":" * 65_000])
def test_a_path_of_colons_takes_linear_time(text):
    with cpu_seconds_below(2):
        assert not _names_a_user(text)
    assert _names_a_user("//user:pass@host/") and _names_a_user("a:b:c@d") and not _names_a_user("a/b:c@d")


@pytest.mark.parametrize("text", [" " * 65_000, "\\" * 65_000, "a:" + "/\\" * 32_000])
def test_a_url_of_slashes_is_redacted_in_linear_time(text):
    with cpu_seconds_below(2):
        redacted(text)


def test_elements_that_are_begun_and_not_ended_are_read_in_linear_time():
    with cpu_seconds_below(2):
        assert len(elements("<Part>" * 100_000, "Part")) == 100_000
    assert elements("<L><Part>a</Part><Part>b</Part><Next>c</Next></L>", "Part") == ["a", "b"]


def test_a_pax_header_of_digits_takes_linear_time():
    with cpu_seconds_below(2):
        assert _PAX_SIZE.search(b"1" * 200_000) is None
    assert _PAX_SIZE.search(b"20 path=a\n12 size=345\n")[1] == b"345"


def test_text_without_an_end_is_read_in_linear_time():
    with cpu_seconds_below(2), pytest.raises(JSONDecodeError):
        standard.loads("[" * 1100 + '"\\' * 100_000)
