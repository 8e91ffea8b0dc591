"""Which cookies are kept, and which requests they are sent with."""

import pytest

from mlhub_async.core.urls import origin
from mlhub_async.http.auth.cookies import MAX_COOKIES, CookieJar
from support.one_request import CANARY

URL = "https://h.test/a/b/c.tif"
HOME = origin(URL)


class Clock:
    now = 1e9

    def __call__(self):
        return self.now


def sent(lines, url=URL, set_at=URL, clock=None):
    jar = CookieJar(clock or Clock())
    jar.store(origin(set_at), set_at, lines)
    return jar.field(jar.matching(origin(url), url))


KEPT = {
    "id=1": "id=1",
    "id=1; Path=/; HttpOnly; Secure; SameSite=Strict": "id=1",
    "id=1; Domain=other.test": "id=1",
    "id=a=b==": "id=a=b==",
    'id="quoted"': 'id="quoted"',
    "id=": "id=",
    " id = two words ; Path=/": "id=two words",
    "id=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT": "id=1",
    "id=1; Expires=Fri, 31 Dec 2999 23:59:59 GMT": "id=1",
    "id=1; Expires=soon; Max-Age=x": "id=1",
    "id=1\nother=2; Path=/a": "id=1; other=2",
    "short=1; Path=/\nlong=2; Path=/a/b": "long=2; short=1",
    "id=1; Path=/\nid=2; Path=/": "id=2",
    "__Host-id=1; Secure; Path=/": "__Host-id=1",
}


@pytest.mark.parametrize("lines", KEPT)
def test_a_cookie_is_sent_to_the_origin_that_set_it(lines):
    assert sent(lines) == KEPT[lines]
    for other in ("https://h.test:444/a/b/c.tif", "http://h.test/a/b/c.tif", "https://sub.h.test/a/b/c.tif"):
        assert sent(lines, url=other) == ""
    assert sent(lines, url="https://other.test/a/b/c.tif") == ""


NOT_SENT = ["", "novalue", "=1", "a b=1", "id=\x01", "id=é", "id=a\x7f", "id=" + "x" * 5000]
NOT_SENT += ["id=1; Max-Age=0", "id=1; Max-Age=-5", "id=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT"]
NOT_SENT += ["id=1; Path=/other", "id=1; Path=/a/b/c", "id=1; Path=/a/b/c.tif/d"]


@pytest.mark.parametrize("line", NOT_SENT)
def test_a_cookie_that_is_invalid_over_or_for_another_path_is_not_sent(line):
    assert sent(line) == ""


def test_a_secure_cookie_is_not_taken_from_a_connection_that_is_not():
    assert sent("id=1; Secure", "http://h.test/x", "http://h.test/x") == ""
    assert sent("id=1", "http://h.test/x", "http://h.test/x") == "id=1"


def test_the_path_is_the_folder_of_the_url_unless_it_is_given():
    assert sent("id=1", url="https://h.test/a/b/d/e") == "id=1"
    assert sent("id=1", url="https://h.test/a/c") == "" == sent("id=1", url="https://h.test/a/bc")
    assert sent("id=1; Path=relative", url="https://h.test/a/b/x?y") == "id=1"


def test_a_cookie_ends_when_its_time_is_over_and_a_chain_can_delete_one():
    clock = Clock()
    run, chain = CookieJar(clock), CookieJar(clock)
    run.store(HOME, URL, "id=1; Max-Age=60; Path=/\nb=2; Path=/")
    assert run.field(run.matching(HOME, URL)) == "id=1; b=2"
    chain.store(HOME, URL, "b=; Max-Age=0; Path=/")
    assert run.field(run.matching(HOME, URL) | chain.matching(HOME, URL)) == "id=1"
    run.update(chain)
    assert run.field(run.matching(HOME, URL)) == "id=1"
    clock.now += 61
    assert run.field(run.matching(HOME, URL)) == ""


def test_a_server_cannot_fill_the_memory():
    jar = CookieJar()
    for number in range(1000):
        jar.store(HOME, URL, f"c{number}=x")
    assert len(jar.matching(HOME, URL)) == MAX_COOKIES


def test_a_cookie_is_not_printed():
    jar = CookieJar()
    jar.store(HOME, URL, f"id={CANARY}")
    assert CANARY not in repr(jar.matching(HOME, URL)) + repr(jar)
