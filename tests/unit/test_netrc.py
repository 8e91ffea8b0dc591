"""--netrc: an entry is for its very host, the default entry for none, and only if it is asked for."""

import base64

import pytest

from mlhub_async.core.errors import UsageError
from mlhub_async.core.model import Request
from mlhub_async.core.urls import origin, parse
from mlhub_async.http.auth.netrc import netrc_credentials, netrc_path
from mlhub_async.http.auth.signer_set import SignerSet
from mlhub_async.http.auth.signers.static import StaticSigner

FILE = """
machine one.test login alice password CANARY-1
machine TWO.test:8443 login "bob b" password "CANARY 2"
machine 127.0.0.1 login carol password CANARY-3
machine half.test login dave
default login eve password CANARY-4
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "netrc"
    path.write_text(FILE)
    path.chmod(0o600)
    return path


def basic(words):
    return "Basic " + base64.b64encode(words.encode()).decode()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://one.test/x", "alice:CANARY-1"),
        ("https://ONE.test:443/x", "alice:CANARY-1"),
        ("https://two.test:8443/x", "bob b:CANARY 2"),
        ("http://127.0.0.1:8000/x", "carol:CANARY-3"),
        ("http://127.0.0.1:8001/x", None),
        ("http://one.test/x", None),
        ("https://one.test:8443/x", None),
        ("https://two.test/x", None),
        ("https://sub.one.test/x", None),
        ("https://one.test.evil.test/x", None),
        ("https://xone.test/x", None),
        ("https://test/x", None),
        ("https://half.test/x", None),
        ("https://other.test/x", None),
    ],
)
def test_an_entry_is_for_its_very_host(file, url, words):
    named = ["http://127.0.0.1:8000/catalog.json"]
    signers, url = SignerSet([StaticSigner(lambda: netrc_credentials(file, named))]), parse(url)
    signed = signers.sign(Request(url), origin(url))
    assert signed.headers == ({"Authorization": basic(words)} if words else {})


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o620, 0o604])
def test_a_file_that_others_can_read_or_change_is_refused(file, mode):
    file.chmod(mode)
    with pytest.raises(UsageError, match="chmod 600"):
        netrc_credentials(file, [])


@pytest.mark.parametrize("content", ["machine a.test CANARY", "CANARY x", "machine a passwort CANARY"])
def test_a_file_that_is_none_is_named_but_not_quoted(file, content):
    file.write_text(content)
    with pytest.raises(UsageError, match="is not a netrc file") as error:
        netrc_credentials(file, [])
    assert "CANARY" not in str(error.value) and error.value.__cause__ is None


def test_a_file_that_is_not_there_was_asked_for_all_the_same(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        netrc_credentials(tmp_path / "none", [])


def test_the_usual_place_is_the_home_directory(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert netrc_path({}) == tmp_path / ".netrc"
