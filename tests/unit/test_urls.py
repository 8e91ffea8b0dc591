"""URLs: which hrefs are accepted, what is sent, what identifies a file, and what may be shown."""

import os
import re
import string
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlhub_async.core import urls
from mlhub_async.core.errors import TransferError
from mlhub_async.http.ssrf import address_class

BASE = "https://base.org/a//b/item.json?token=x"
TOKEN = "gAAAAABjH4Xc" + "-_Aa9" * 40


@pytest.mark.parametrize(
    "href",
    [
        "https://radiantearth.blob.core.windows.net/mlhub/ref/29NMG/2018_B01.tif",
        "http://127.0.0.1:45123/x",
        "http://[::1]:8080/x",
        "http://localhost/",
        "http://my_host/x",
        "https://h/a%2Fb%7Ec~d;e=f,g/(h)!'*?sig=a%2Bb%3D&x=1+2@3:4/5?6",
        "https://h/a//b/../c",
        "https://h:443/x",
        "file:///data/a%20b.tif",
    ],
)
def test_a_legal_url_is_sent_as_it_was_written(href):
    assert urls.parse(href) == href
    assert urls.parse(href, BASE) == href


@pytest.mark.parametrize(
    ("href", "url"),
    [
        ("https://h", "https://h/"),
        ("https://h?x=1", "https://h/?x=1"),
        ("HTTPS://Host.ORG/Path", "https://host.org/Path"),
        ("https://h/x#fragment", "https://h/x"),
        ("https://h:/x", "https://h/x"),
        (" https://h/x ", "https://h/x"),
        ("https://h/a b", "https://h/a%20b"),
        ("https://h/100%/50%zz/%41", "https://h/100%25/50%25zz/%41"),
        ('https://h/"<>^`{|}[]', "https://h/%22%3C%3E%5E%60%7B%7C%7D%5B%5D"),
        ("https://h/é/\u202e", "https://h/%C3%A9/%E2%80%AE"),
        ("https://bücher.example/x", "https://xn--bcher-kva.example/x"),
        ("http://[0:0:0::1]/x", "http://[::1]/x"),
        ("file:/data/x y", "file:///data/x%20y"),
        ("file://localhost/data/x", "file:///data/x"),
    ],
)
def test_illegal_characters_are_encoded_and_nothing_else_changes(href, url):
    assert urls.parse(href) == url


@pytest.mark.parametrize(
    ("href", "url"),
    [
        ("B01.tif", "https://base.org/a//b/B01.tif"),
        ("./B01.tif", "https://base.org/a//b/B01.tif"),
        ("x/B01.tif", "https://base.org/a//b/x/B01.tif"),
        ("../B01.tif", "https://base.org/a//B01.tif"),
        ("../../B01.tif", "https://base.org/a/B01.tif"),
        ("../../../../../B01.tif", "https://base.org/B01.tif"),
        ("x/./../y//z", "https://base.org/a//b/y//z"),
        (".", "https://base.org/a//b/"),
        ("..", "https://base.org/a//"),
        ("/etc/passwd", "https://base.org/etc/passwd"),
        ("//other.org/x", "https://other.org/x"),
        ("?page=2", "https://base.org/a//b/item.json?page=2"),
        ("#part", "https://base.org/a//b/item.json?token=x"),
        ("a b?c=../d", "https://base.org/a//b/a%20b?c=../d"),
        ("x:y/../B01.tif", None),
    ],
)
def test_a_relative_href_is_resolved_as_rfc_3986_says(href, url):
    if url is None:
        with pytest.raises(TransferError):
            urls.parse(href, BASE)
    else:
        assert urls.parse(href, BASE) == url


def test_a_base_may_be_without_path_and_without_query():
    assert urls.parse("B01.tif", "https://h/a/item.json") == "https://h/a/B01.tif"
    assert urls.parse("B01.tif", "https://h") == "https://h/B01.tif"
    assert urls.parse("../B 1.tif", "file:///data/c/item.json") == "file:///data/B%201.tif"
    assert urls.parse("B01.tif", "file:///data/c d/item.json") == "file:///data/c%20d/B01.tif"


@pytest.mark.parametrize(
    "href",
    [
        None,
        "",
        "   ",
        42,
        ["https://h/x"],
        {"href": "https://h/x"},
        b"https://h/x",
        "https://h/\n",
        "https://h/a\tb",
        "https://h/a\rb",
        "https://h/\x00",
        "https://h/\x7f",
        "https://h/\ud800",
        "https://user@h/x",
        "https://user:pw@h/x",
        "http://h\\@evil/x",
        "http://h\\evil/x",
        "http:\\\\h\\x",
        "\\\\h\\share",
        "/\\h/share",
        "https://h:0/",
        "https://h:65536/",
        "https://h:8a/",
        "https://h:\u0663/",
        "https://h:+80/",
        "https:///x",
        "https:/x",
        "https:x",
        "https://?x",
        "https://a..b/",
        "https://./",
        "https://h%2eorg/",
        "https://h h/",
        "https://h;x/",
        "https://" + "a" * 254 + "/",
        "http://2130706433/",
        "http://127.1/",
        "http://0x7f.0.0.1/",
        "http://127.0.0.01/",
        "http://256.0.0.1/",
        "http://[::1/",
        "http://[::1]x/",
        "http://[fe80::1%25eth0]/",
        "http://[v1.x]/",
        "http://fa\u00df.de/",
        "http://\uff45xample.com/",
        "http://" + "\u00fc" * 80 + ".de/",
        "file://server/share",
        "file:x",
        "file://",
    ],
)
@pytest.mark.parametrize("base", [None, BASE])
def test_ambiguous_urls_are_refused(href, base):
    with pytest.raises(TransferError) as refused:
        urls.parse(href, base)
    assert refused.value.kind == "bad-href"
    assert str(refused.value).isprintable() and "pw" not in str(refused.value)


@pytest.mark.parametrize("href", ["x", "./x", "/x", "//h/x", "?x", "#x"])
def test_without_a_base_a_relative_href_is_refused(href):
    with pytest.raises(TransferError, match="relative"):
        urls.parse(href)


def test_an_href_of_a_megabyte_is_refused_in_a_short_message():
    with pytest.raises(TransferError) as refused:
        urls.parse("https://h/" + "x" * 1_000_000, BASE)
    assert refused.value.kind == "bad-href" and len(str(refused.value)) < 500


@pytest.mark.parametrize(
    "href", ["s3://b/k", "data:text/plain,x", "ftp://h/x", "C:\\x", "javascript:x", "docker://x"]
)
def test_an_unsupported_scheme_is_named(href):
    with pytest.raises(TransferError) as refused:
        urls.parse(href, BASE)
    assert refused.value.kind == "unsupported-scheme"


HOSTS = st.sampled_from(["h.org", "xn--bcher-kva.de", "a-b.c_d.net", "127.0.0.1", "localhost", "1a.de"])
TAILS = st.text(max_size=30) | st.text(alphabet="/%.?#&=@:\\[] \u00e9aA0", max_size=30)


@given(st.sampled_from(["http", "https", "HTTP"]), HOSTS, st.sampled_from(["", ":81", ":443"]), TAILS)
@example("https", "h.org", "", "%")
@example("https", "h.org", "", "%%41")
def test_an_accepted_url_is_ascii_without_spaces_and_keeps_its_host(scheme, host, port, tail):
    href = f"{scheme}://{host}{port}/{tail}"
    try:
        url = urls.parse(href)
    except TransferError:
        assert re.search("[\x00-\x1f\x7f\ud800-\udfff]", tail)
        return
    assert re.fullmatch(r"[!-~]+", url) and not re.search(r"%(?![0-9A-Fa-f]{2})", url)
    assert urlsplit(url).netloc == f"{host}{port}"
    assert urls.parse(url) == url
    assert urls.origin(url).host == host


@given(TAILS)
def test_a_resolved_relative_href_is_an_accepted_url(tail):
    try:
        url = urls.parse(tail, BASE)
    except TransferError:
        return
    assert re.fullmatch(r"[!-~]+", url) and urls.parse(url) == url


@given(TAILS)
def test_encoding_loses_nothing(tail):
    path = tail.translate(dict.fromkeys(map(ord, "?#%"))).strip(" ")
    try:
        url = urls.parse(f"https://h/{path}")
    except TransferError:
        return
    assert unquote(url.removeprefix("https://h/")) == path.replace("\\", "/")


@pytest.mark.parametrize(
    ("href", "expected"),
    [
        (".\\a\\a.json", "https://h.test/k/a/a.json"),
        ("..\\a\\d.tif", "https://h.test/a/d.tif"),
        ("a\\..\\..\\b", "https://h.test/b"),
        ("\\a b.tif", "https://h.test/a%20b.tif"),
        ("a\\b.tif?x=a\\b#c\\d", "https://h.test/k/a/b.tif?x=a%5Cb"),
        ("https://o.test/a\\b.tif", "https://o.test/a/b.tif"),
        ("//o.test/a\\b", "https://o.test/a/b"),
        ("file:///x\\y.json", "file:///x/y.json"),
    ],
)
def test_backslashes_in_a_path_are_slashes(href, expected):
    assert urls.parse(href, "https://h.test/k/c.json") == expected


@pytest.mark.parametrize(
    ("url", "origin", "shown"),
    [
        ("https://h.org/x", ("https", "h.org", 443), "https://h.org"),
        ("http://h.org:80/x/y", ("http", "h.org", 80), "http://h.org"),
        ("http://127.0.0.1:8080/", ("http", "127.0.0.1", 8080), "http://127.0.0.1:8080"),
        ("https://[::1]:8443/x", ("https", "::1", 8443), "https://[::1]:8443"),
        ("https://h.org:80/", ("https", "h.org", 80), "https://h.org:80"),
        ("HTTPS://H.org?x=/", ("https", "h.org", 443), "https://h.org"),
        ("file:///data/x/y", ("file", "", 0), "file://"),
    ],
)
def test_an_origin_is_scheme_host_and_effective_port(url, origin, shown):
    assert urls.origin(url) == origin and str(urls.origin(url)) == shown


@pytest.mark.parametrize("url", ["https://u:secretpw@h/x", "h/x", "ftp://h/x", "https://h:99999/x", ""])
def test_a_text_without_an_origin_is_refused(url):
    with pytest.raises(TransferError) as refused:
        urls.origin(url)
    assert refused.value.kind == "bad-href" and "secretpw" not in str(refused.value)


@pytest.mark.parametrize("name", ["x.tif", "a b.tif", "100%.tif", "?x#y.tif", "\u00e9\u202e", "a\\b"])
def test_a_path_is_the_same_after_conversion_to_a_file_url(name, tmp_path):
    url = urls.from_path(tmp_path / name)
    assert urls.parse(url) == url
    assert urls.to_path(url) == tmp_path / name


@pytest.mark.skipif(os.name == "nt", reason="bytes are names only on POSIX")
def test_a_path_that_is_no_utf_8_is_the_same_after_conversion_to_a_file_url(tmp_path):
    path = tmp_path / os.fsdecode(b"\xff.tif")
    assert urls.to_path(urls.from_path(path)) == path


def test_a_drive_letter_is_a_drive_only_on_windows():
    assert urls.to_path("file:///C:/data/x.tif", windows=True) == Path("C:/data/x.tif")
    assert urls.to_path("file:///C:/data/x.tif", windows=False) == Path("/C:/data/x.tif")
    assert urls.to_path("file:///data/x.tif?x#y", windows=True) == Path("/data/x.tif")


@pytest.mark.parametrize("url", ["https://h/x", "file://h/x", "file:///a%00b", "x"])
def test_a_url_that_names_no_local_file_has_no_path(url):
    with pytest.raises(TransferError):
        urls.to_path(url)


@pytest.mark.parametrize(
    ("url", "identity"),
    [
        ("https://h/a%2Fb.tif", "https://h/a%2Fb.tif"),
        ("https://H.org:443/a", "https://h.org/a"),
        ("http://h:80/a", "http://h/a"),
        ("https://h:80/a", "https://h:80/a"),
        ("http://h:800/a", "http://h:800/a"),
        ("https://h/a#b", "https://h/a"),
        ("https://h?page=2", "https://h/?page=2"),
        ("https://h/a?", "https://h/a"),
        ("https://b/c/x?sv=1&st=2&se=3&sr=b&sp=r&sig=4", "https://b/c/x"),
        (
            "https://b/c/x?skoid=1&sktid=2&skt=3&ske=4&sks=b&skv=5&sig=6&snapshot=7",
            "https://b/c/x?snapshot=7",
        ),
        ("https://h/x?st=1&se=2&q=3", "https://h/x?st=1&se=2&q=3"),
        ("https://b/x?X-Amz-Date=1&versionId=v&X-Amz-Signature=2", "https://b/x?versionId=v"),
        ("https://b/x?X-Goog-Algorithm=1&generation=9&x-goog-signature=2", "https://b/x?generation=9"),
        ("https://b/x?Expires=1&Signature=2&Key-Pair-Id=3&Policy=4&b=2&a=1", "https://b/x?b=2&a=1"),
        ("https://b/x?Policy=1&Signature=2&Key-Pair-Id=3", "https://b/x"),
        ("https://b/x?AWSAccessKeyId=1&Signature=2&Expires=3&security-token=4", "https://b/x"),
        ("https://b/x?__token__=exp=1~hmac=2&hdnts=st=1~exp=2~acl=*~hmac%3D3&a=1", "https://b/x?a=1"),
    ],
)
def test_a_canonical_url_has_no_signature_and_one_spelling(url, identity):
    assert urls.canonical(url) == identity
    assert urls.canonical(identity) == identity
    assert urls.identify(url) == identity


@pytest.mark.parametrize(
    "host", ["h", "h:80", "h:443", "h:8080", "h:080", "h:99999", "1.2.3", "0x1.h", "-", ""]
)
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    "path", ["a/b.tif", "a/../b", "download/" + "A" * 40, "", "a//b", "~a/b~", "a" * 65_536]
)
def test_an_href_is_identified_as_if_it_was_parsed_first(scheme, host, path):
    def found(identify):
        try:
            return identify(f"{scheme}://{host}/{path}")
        except TransferError as error:
            return error.kind, str(error)

    assert found(urls.identify) == found(lambda href: urls.canonical(urls.parse(href)))


@pytest.mark.parametrize(
    ("url", "written"),
    [
        ("https://h?key=K", "https://h/"),
        ("file:///a/b?key=K", "file:///a/b"),
        ("https://b/c/x?st=2&sig=4", "https://b/c/x"),
        ("https://h/get?key=a%2Fb.tif&auth=a.tif", "https://h/get?key=a%2Fb.tif"),
        ("https://h/get?key=ab.0123456789abcdef", "https://h/get"),
        ("https://h/x?key=K&a=1&key=K&api_key=K&apikey=K&access_token=K&%6Bey=K", "https://h/x?a=1"),
        ("https://h/x?subscription-key=K&limit=1&password=P&Auth=A#f", "https://h/x?limit=1"),
    ],
)
def test_a_url_without_secrets_has_no_credentials(url, written):
    assert urls.without_secrets(url) == written
    assert urls.without_secrets(written) == written


LIKE_SIGNATURES = ["Signature", "Expires", "Policy", "X-Amz-Date", "X-Goog-Date", "hdnts", "__token__", "sig"]
LIKE_KEYS = ["key", "session", "auth", "jwt", "password", "pwd", "secret", "api_key", "sas", "code", "k%65y"]


@pytest.mark.parametrize("name", LIKE_SIGNATURES + LIKE_KEYS)
def test_urls_that_differ_in_a_parameter_like_a_credential_have_different_canonical_urls(name):
    """At some servers such a parameter names the file: /download?key=a/b.tif."""
    one, two = (urls.canonical(f"https://h/get?{name}=a/{n}.tif&a=1") for n in (1, 2))
    assert one != two and not re.search(r"a/[12].tif", one + two)
    assert urls.canonical(one) == one == urls.canonical(f"https://H:443/get?{name}=a/1.tif&a=1#f")


@pytest.mark.parametrize(
    "url",
    [
        "https://h/x?a=1&token={}&b=2",
        "https://h/x?TOKE%4E={}",
        "https://H/x?token={}&key=K",
        "https://h/mlhub/v1/download/{}",
        "https://h/mlhub/v1/download/{}?b=2",
    ],
)
def test_a_token_is_replaced_by_a_placeholder_of_its_own(url):
    """It authenticates, and it may be all that distinguishes two files."""
    one, two = (urls.canonical(url.format(letter * 40)) for letter in "AB")
    assert one != two and "A" * 40 not in one
    assert urls.canonical(one) == one == urls.canonical(url.format("A" * 40))
    assert "A" * 40 not in urls.without_secrets(url.format("A" * 40)) and "key=" not in urls.without_secrets(
        url
    )


def test_a_local_file_name_is_never_taken_for_a_token():
    assert urls.canonical(f"file:///download/{'A' * 40}") == f"file:///download/{'A' * 40}"


def test_every_copy_of_a_parameter_is_removed():
    assert urls.without_parameters("https://h/x?key=1&a=2&key=3&%6bey=4#f", "key") == "https://h/x?a=2#f"
    assert urls.without_parameters("https://h/x?key=1", "key", "a") == "https://h/x"
    assert (
        urls.without_parameters("https://h/x?KEY=1&keys=2&a=%26key", "key")
        == "https://h/x?KEY=1&keys=2&a=%26key"
    )
    assert urls.without_parameters("https://h/x", "key") == "https://h/x"


def test_a_parameter_that_is_set_replaces_all_copies():
    assert urls.with_parameter("https://h/x", "key", "a b&c=/") == "https://h/x?key=a%20b%26c%3D%2F"
    assert urls.with_parameter("https://h/x?key=1&a=2&key=3#f", "key", "4") == "https://h/x?a=2&key=4#f"


@given(
    st.text(alphabet=string.printable),
    st.sampled_from(["https://h/x", "https://h/x?a=1", "https://h/?key=1"]),
)
def test_a_parameter_that_was_set_can_be_read_and_removed_again(value, url):
    changed = urls.with_parameter(url, "key", value)
    assert unquote(changed.rpartition("key=")[2]) == value
    assert urls.parse(changed) == changed
    assert urls.without_parameters(changed, "key") == urls.without_parameters(url, "key")


@pytest.mark.parametrize(
    ("url", "expiring"),
    [
        (f"https://api.radiant.earth/mlhub/v1/download/{TOKEN}", True),
        (f"https://api.radiant.earth/mlhub/v1/download/{TOKEN}?key=K", True),
        ("https://h/download/a_long_name_of_a_scene_2019_07_21_T075611_B01.tif", False),
        ("https://h/download/short", False),
        (f"https://h/upload/{TOKEN}", False),
        (f"https://h/x?next=/download/{TOKEN}", False),
        ("https://b/x?sv=1&sig=2", True),
        ("https://b/x?X-Amz-Signature=2", True),
        ("https://b/x?x-goog-signature=2", True),
        ("https://b/x?Expires=1&Signature=2", True),
        ("https://b/x?md5=abc&expires=1700000000", True),
        ("https://b/x?expires=1700000000&md5=abc", True),
        ("https://b/x?md5=abc", False),
        ("https://b/x?design=2&signature_date=3", False),
        ("https://b/sig=1/x", False),
        ("https://b/x", False),
    ],
)
def test_an_expiring_url_is_recognised_by_its_signature_or_token(url, expiring):
    assert urls.is_expiring(url) is expiring


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://h/a?x=1&y=%20", "https://h/a?x=1&y=%20"),
        ("https://user:pw@h/a", "https://h/a"),
        ("https://user:p/w@h/a", "https://h/a"),
        ("https://h:8080/@scope/x", "https://h:8080/@scope/x"),
        ("https://h/a?sig=S&b=1", "https://h/a?sig=***&b=1"),
        ("https://h/a?b=1;sig=S", "https://h/a?b=1;sig=***"),
        ("https://h/a?token=S&%73ig=S", "https://h/a?token=***&%73ig=***"),
        ("https://h/a#access_token=S", "https://h/a"),
        ("https://h/t?url=https%3A%2F%2Fb%2Fx%3Fsig%3DS", "https://h/t?url=***"),
        (f"https://h/a?{TOKEN}", "https://h/a?***"),
        (
            f"https://api.radiant.earth/mlhub/v1/download/{TOKEN}",
            "https://api.radiant.earth/mlhub/v1/download/***",
        ),
        ("https://h/\x1b[31m\n", "https://h/\\x1b[31m\\x0a"),
    ],
)
def test_a_redacted_url_shows_no_secret(url, shown):
    assert urls.redacted(url) == shown


SECRET_NAMES = [
    "sig",
    "SIG",
    "key",
    "api_key",
    "X-Amz-Signature",
    "X-Goog-Credential",
    "Signature",
    "access_token",
]
SECRET_NAMES += ["token", "Policy", "subscription-key", "password", "X-Amz-Security-Token", "sa%73"]
SECRETS = st.text(alphabet=string.ascii_letters + string.digits + "%+/=._~-\u00e9\x1b", min_size=1).map(
    "CANARY".__add__
)


@given(
    st.sampled_from(SECRET_NAMES),
    SECRETS,
    TAILS.filter(lambda tail: "?" not in tail and "#" not in tail),
    TAILS,
)
def test_no_value_of_a_secret_parameter_is_ever_shown(name, secret, path, query):
    for url in (f"https://h/{path}?a=1&{name}={secret}&{query}", f"https://h/{path}?{name}={secret}#{query}"):
        assert "CANARY" not in urls.redacted(url)
        assert "CANARY" not in urls.canonical(url.replace("\x1b", ""))


@given(SECRETS.filter(lambda secret: "/" not in secret), TAILS)
def test_no_password_is_ever_shown(secret, tail):
    for url in (f"https://user:{secret}@h/{tail}", f"https://{secret}@h/{tail}", f"//u:{secret}@h/{tail}"):
        assert "CANARY" not in urls.redacted(url)


@given(st.text())
@example("x" * 1000 + "\x1b")
@example("\x1b" * 300)
def test_a_redacted_url_is_short_and_on_one_line(text):
    for shown, limit in (
        (urls.redacted(text), 300),
        (urls.term_safe(text), 80),
        (urls.term_safe(text, 5), 5),
    ):
        assert len(shown) <= limit
        assert not re.search(
            "[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\u200e\u200f\u061c\ud800-\udfff]", shown
        )
        shown.encode()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text", "plain text"),
        ("Überschwemmung 地図", "Überschwemmung 地図"),
        ("\x1b]0;x\x07", "\\x1b]0;x\\x07"),
        ("a\r\nverified", "a\\x0d\\x0averified"),
        ("\x9b31m", "\\x9b31m"),
        ("a\u202egnp.exe", "a\\u202egnp.exe"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("x" * 81, "x" * 79 + "…"),
        ("x" * 80, "x" * 80),
        (None, "None"),
        (12, "12"),
    ],
)
def test_text_for_a_terminal_keeps_harmless_characters(text, shown):
    assert urls.term_safe(text) == shown


@pytest.mark.parametrize(
    ("url", "filename", "suffix"),
    [
        ("https://h/a/B01.tif", "B01.tif", ".tif"),
        ("https://h/a/B01.TIF?sv=1&x=.png#y.jpg", "B01.TIF", ".TIF"),
        ("https://h/a.tar.gz", "a.tar.gz", ".gz"),
        ("https://h/a%2Etif", "a.tif", ".tif"),
        ("https://h/a%252Etif", "a%2Etif", ""),
        ("https://h/a%2F..%2Fb.tif", "a/../b.tif", ".tif"),
        ("https://h/%C3%A9.tif", "é.tif", ".tif"),
        ("https://h/x.tif%00", "x.tif\0", ""),
        ("https://h/x.verylongext", "x.verylongext", ""),
        ("https://h/x.t-f", "x.t-f", ""),
        ("https://h/x.t%C3%A9", "x.té", ""),
        ("https://h/x.", "x.", ""),
        ("https://h/.tif", ".tif", ""),
        ("https://h/...tif", "...tif", ""),
        ("https://h/dir.d/", "", ""),
        ("https://h/dir.d/x", "x", ""),
        ("https://host.com", "", ""),
        ("file:///x.tif", "x.tif", ".tif"),
    ],
)
def test_the_extension_comes_from_the_path_decoded_once(url, filename, suffix):
    assert urls.filename(url) == filename
    assert urls.suffix(url) == suffix


@given(st.text("/.%?#:a2Eé\u0660", max_size=12))
@example("/")
@example("/a.tif?x")
def test_the_extension_is_that_of_the_file_name_for_any_href(tail):
    url = "https://h" + tail
    stem, _, end = urls.filename(url).rpartition(".")
    fit = 0 < len(end) <= 8 and end.isascii() and end.isalnum() and stem.strip(".")
    assert urls.suffix(url) == ("." + end if fit else "")


@given(st.text(min_size=1))
def test_a_percent_encoded_file_name_is_decoded(name):
    quoted = quote(name, safe="", errors="replace")
    assert urls.filename(f"https://h/d/{quoted}?x") == unquote(quoted)


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("1.1.1.1", "public"),
        ("127.0.0.2", "loopback"),
        ("10.1.2.3", "private"),
        ("172.31.0.1", "private"),
        ("172.32.0.1", "public"),
        ("192.168.1.1", "private"),
        ("169.254.169.254", "link-local"),
        ("100.64.1.1", "shared"),
        ("224.0.0.1", "multicast"),
        ("0.0.0.0", "unspecified"),
        ("255.255.255.255", "reserved"),
        ("240.0.0.1", "reserved"),
        ("192.0.2.1", "reserved"),
        ("198.18.0.1", "reserved"),
        ("2606:4700::1111", "public"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("[::1]", "loopback"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("fd00::1", "private"),
        ("fec0::1", "private"),
        ("ff02::1", "multicast"),
        ("2001:db8::1", "reserved"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:8.8.8.8", "public"),
        ("::ffff:169.254.169.254", "link-local"),
        ("::127.0.0.1", "loopback"),
        ("64:ff9b::10.0.0.1", "private"),
        ("64:ff9b::8.8.8.8", "public"),
        ("64:ff9b:1::1", "private"),
        ("2002:7f00:1::1", "loopback"),
        ("2002:808:808::1", "public"),
        ("127.1", "reserved"),
        ("localhost", "reserved"),
        ("", "reserved"),
    ],
)
def test_an_ip_address_is_classified(address, kind):
    assert address_class(address) == kind


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://a.example/x/../cat/./c.json?q=/../1", "http://a.example/cat/c.json?q=/../1"),
        ("http://a.example/x//c.json", "http://a.example/x//c.json"),
        ("http://a.example?q=1", "http://a.example?q=1"),
    ],
)
def test_a_url_is_normalised_as_hrefs_against_it_are(url, expected):
    assert urls.normalised(url) == expected


def test_a_path_with_dots_has_the_url_of_the_file_that_it_names(tmp_path):
    (tmp_path / "there/deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "there/deep")
    assert urls.from_path(tmp_path / "link/../c.json") == (tmp_path.resolve() / "there/c.json").as_uri()


def test_a_secure_link_identifies_nothing_and_is_not_shown_or_stored():
    signed = "https://h/a.tif?x=1&md5=CANARY&expires=1700000000"
    assert (
        urls.canonical(signed) == urls.canonical(signed.replace("CANARY", "other")) == "https://h/a.tif?x=1"
    )
    for text in (urls.redacted(signed), urls.without_secrets(signed), urls.with_placeholders(signed)):
        assert "CANARY" not in text
    assert urls.redacted("https://h/a.tif?md5=abc") == "https://h/a.tif?md5=abc"
    assert urls.canonical("https://h/a.tif?md5=abc") == "https://h/a.tif?md5=abc"
