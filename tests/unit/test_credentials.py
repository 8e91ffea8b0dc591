import configparser
import copy
import os
import pickle
import stat
import threading

import pytest

from mlhub_async.core import urls
from mlhub_async.core.errors import UsageError
from mlhub_async.core.model import Request
from mlhub_async.core.secret import Secret
from mlhub_async.http.auth import credentials
from mlhub_async.http.auth.credentials import Credential
from mlhub_async.http.auth.profiles import profile_key, profiles_path, write_profile
from mlhub_async.http.auth.signer_set import SignerSet
from mlhub_async.http.auth.signers.static import StaticSigner

ROOT = "https://api.radiant.earth/mlhub/v1"
CANARY = "CANARY-7d1f"


@pytest.fixture
def home(tmp_path):
    return {"MLHUB_HOME": str(tmp_path / "home")}


@pytest.fixture
def profiles(home):
    write_profile(profiles_path(home), "default", "default-key")
    write_profile(profiles_path(home), "project", "project-key")
    return home


def signed(*credentials, url=ROOT, headers=None):
    """The request as it is sent in a run with these credentials."""
    signers = SignerSet([StaticSigner(lambda: credentials)])
    return signers.sign(Request(url, headers=headers or {}), urls.origin(url))


class TestSecret:
    @pytest.mark.parametrize(
        "shown", [repr, str, "{}".format, "{:>9}".format, "{!r}".format, "%s".__mod__, ascii]
    )
    def test_it_never_prints(self, shown):
        assert CANARY not in shown(Secret(CANARY))
        assert "***" in shown(Secret(CANARY))

    def test_a_dataclass_around_it_does_not_print_it_either(self):
        held = Credential("query", "key", Secret(CANARY), frozenset())
        assert CANARY not in repr(held)
        signer = StaticSigner(lambda: [held])
        assert CANARY not in repr(vars(signer)) + repr(vars(SignerSet([signer])))

    def test_only_reveal_tells_it(self):
        assert Secret(CANARY).reveal() == CANARY
        assert Secret(CANARY) == Secret(CANARY)
        assert Secret(CANARY) != CANARY

    @pytest.mark.parametrize("write", [pickle.dumps, copy.deepcopy])
    def test_it_is_not_written_down(self, write):
        with pytest.raises(TypeError, match="secret") as refused:
            write(Secret(CANARY))
        assert CANARY not in str(refused.value)


class TestSigning:
    def test_a_request_to_another_origin_is_the_same_object(self):
        request = Request("https://api.radiant.earth.evil.example/mlhub/v1")
        signers = SignerSet(
            [StaticSigner(lambda: [credentials.mlhub_credential(ROOT, api_key="k", environ={})])]
        )
        assert signers.sign(request, urls.origin(request.url)) is request

    @pytest.mark.parametrize("url", ["http://api.radiant.earth/x", "https://api.radiant.earth:444/x"])
    def test_scheme_and_port_are_part_of_the_origin(self, url):
        assert signed(credentials.mlhub_credential(ROOT, api_key="k", environ={}), url=url).url == url

    def test_the_key_replaces_whatever_key_the_link_had(self):
        credential = credentials.mlhub_credential(ROOT, api_key="a&b", environ={})
        assert signed(credential, url=f"{ROOT}/x?key=old&page=2").url == f"{ROOT}/x?page=2&key=a%26b"

    def test_the_default_port_written_out_is_the_same_origin(self):
        credential = credentials.mlhub_credential("https://API.radiant.earth:443/x", api_key="k", environ={})
        assert signed(credential).url == f"{ROOT}?key=k"

    def test_a_header_replaces_one_of_the_same_name_in_any_case(self):
        credential = credentials.mlhub_credential(ROOT, api_token="t", environ={})
        request = signed(credential, headers={"authorization": "Basic x", "A": "b"})
        assert request.headers == {"A": "b", "Authorization": "Bearer t"}

    def test_several_credentials_of_one_origin_are_all_applied(self):
        headers = credentials.header_credentials([("X-A", "1"), ("X-B", "2")], ROOT)
        request = signed(*headers, credentials.mlhub_credential(ROOT, api_key="k", environ={}))
        assert request.headers == {"X-A": "1", "X-B": "2"}
        assert request.url.endswith("?key=k")

    def test_the_secrets_of_a_signer_include_a_token_without_its_scheme(self):
        signer = StaticSigner(lambda: [credentials.mlhub_credential(ROOT, api_token="t", environ={})])
        assert {secret.reveal() for secret in signer.secrets} == {"Bearer t", "t"}

    async def test_credentials_are_read_again_once_per_origin_and_old_secrets_stay_secret(self):
        keys = iter(["old-secret", "new-secret", "never-read"])

        def load():
            return [Credential("query", "key", Secret(next(keys)), frozenset({urls.origin(ROOT)}))]

        signers, here = SignerSet([StaticSigner(load)]), urls.origin(ROOT)
        assert signers.sign(Request(ROOT), here).url.endswith("?key=old-secret")
        for _ in range(2):
            assert (await signers.sign_renewed(Request(ROOT), here)).url.endswith("?key=new-secret")
        echoed = "https://o.test/?a=old-secret&b=new-secret&page=2"
        assert signers.without_secrets(echoed) == "https://o.test/?page=2"

    async def test_a_profile_that_is_gone_when_it_is_read_again_leaves_the_old_key(self):
        known = [[credentials.mlhub_credential(ROOT, api_key="k", environ={})]]

        def load():
            if not known:
                raise UsageError("no such profile")
            return known.pop()

        signers = SignerSet([StaticSigner(load)])
        assert (await signers.sign_renewed(Request(ROOT), urls.origin(ROOT))).url.endswith("?key=k")


class TestResolution:
    """The official client's order; the environment's key beats even a profile that was named."""

    @pytest.mark.parametrize(
        ("given", "environ", "query"),
        [
            ({"api_key": "arg", "profile": "project"}, {"MLHUB_API_KEY": "env"}, "key=arg"),
            ({"profile": "project"}, {"MLHUB_API_KEY": "env"}, "key=project-key"),
            ({"profile": "project"}, {"MLHUB_PROFILE": "other"}, "key=project-key"),
            ({}, {"MLHUB_PROFILE": "project"}, "key=project-key"),
            ({}, {"MLHUB_ACCESS_TOKEN": "t"}, "key=default-key"),
        ],
    )
    def test_the_first_that_is_set_wins(self, profiles, given, environ, query):
        credential = credentials.mlhub_credential(ROOT, **given, environ={**profiles, **environ})
        assert signed(credential).url == f"{ROOT}?{query}"

    def test_a_token_argument_beats_the_environment(self, profiles):
        credential = credentials.mlhub_credential(
            ROOT, api_token="t", environ={**profiles, "MLHUB_API_KEY": "env"}
        )
        assert signed(credential).headers == {"Authorization": "Bearer t"}

    def test_the_token_of_the_environment_is_the_last_resort(self, home):
        credential = credentials.mlhub_credential(ROOT, environ={**home, "MLHUB_ACCESS_TOKEN": " t\n"})
        assert signed(credential).headers == {"Authorization": "Bearer t"}

    @pytest.mark.parametrize(
        "how", [{"profile": "__anonymous__"}, {"environ": {"MLHUB_PROFILE": "__anonymous__"}}]
    )
    def test_the_anonymous_profile_means_no_credential_at_all(self, profiles, how):
        environ = {**profiles, "MLHUB_ACCESS_TOKEN": "t", **how.pop("environ", {})}
        assert credentials.mlhub_credential(ROOT, **how, environ=environ) is None

    def test_nothing_given_is_no_credential(self, home):
        assert credentials.mlhub_credential(ROOT, environ=home) is None

    def test_the_real_environment_is_read_when_called(self, home, monkeypatch):
        monkeypatch.setenv("MLHUB_HOME", home["MLHUB_HOME"])
        monkeypatch.setenv("MLHUB_API_KEY", "late")
        assert signed(credentials.mlhub_credential(ROOT)).url.endswith("key=late")

    def test_a_profile_that_was_named_must_exist_and_the_error_names_file_and_section(self, profiles):
        with pytest.raises(UsageError, match=r"home/profiles has no api_key in section \[nobody\]"):
            credentials.mlhub_credential(ROOT, profile="nobody", environ=profiles)

    def test_a_key_with_a_line_break_is_refused_without_being_shown(self):
        with pytest.raises(UsageError) as refused:
            credentials.mlhub_credential(ROOT, api_key=f"{CANARY}\r\nX: y", environ={})
        assert CANARY not in str(refused.value)


class TestHeaders:
    @pytest.mark.parametrize("name", ["", "a b", "a:b", "x\r\ny", "ä", "Host", "content-length", "Range"])
    def test_a_name_that_is_illegal_or_the_programs_own_is_refused(self, name):
        with pytest.raises(UsageError):
            credentials.header_credentials([(name, "v")], ROOT)

    @pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\0b", "caf\udce9"])
    def test_a_value_that_could_forge_a_line_is_refused_without_being_shown(self, value):
        with pytest.raises(UsageError) as refused:
            credentials.header_credentials([("X", CANARY + value)], ROOT)
        assert CANARY not in str(refused.value)

    def test_a_source_without_an_origin_takes_no_headers(self):
        with pytest.raises(UsageError):
            credentials.header_credentials([("X", "v")], "catalog.json")
        assert credentials.header_credentials([], "catalog.json") == []

    def test_a_name_behind_a_host_is_bound_to_that_host(self):
        [credential] = credentials.header_credentials([("https://b.example X", "v")], None)
        assert (credential.name, credential.origins) == ("X", {urls.Origin("https", "b.example", 443)})

    def test_a_local_source_has_no_origin_that_may_see_a_header(self):
        with pytest.raises(UsageError, match=r"header X: SOURCE is local.*'https://host X: value'"):
            credentials.header_credentials([("X", "v")], None)

    def test_they_go_to_the_origin_of_the_source_alone(self):
        [credential] = credentials.header_credentials([("X", "v")], "https://a.example/deep/catalog.json")
        assert credential.origins == {urls.Origin("https", "a.example", 443)}


class TestProfiles:
    def test_the_default_place_is_the_official_clients(self, monkeypatch, tmp_path):
        monkeypatch.setenv("HOME", str(tmp_path))
        assert profiles_path({}) == tmp_path / ".mlhub" / "profiles"

    def test_a_written_file_is_closed_to_others_and_so_is_its_folder(self, profiles):
        path = profiles_path(profiles)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert os.listdir(path.parent) == ["profiles"]

    def test_the_other_sections_stay(self, profiles):
        path = profiles_path(profiles)
        write_profile(path, "default", "new%key")
        written = configparser.ConfigParser(interpolation=None)
        written.read(path)
        assert written["default"]["api_key"] == "new%key"
        assert written["project"]["api_key"] == "project-key"

    def test_a_file_open_to_others_is_read_with_a_warning_and_closed_when_written(self, profiles):
        path = profiles_path(profiles)
        path.chmod(0o644)
        with pytest.warns(UserWarning, match="can be read by other users"):
            assert profile_key(path, "project") == "project-key"
        write_profile(path, "third", "k")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_a_link_to_the_file_stays_a_link(self, profiles, tmp_path):
        path = profiles_path(profiles)
        path.rename(tmp_path / "elsewhere")
        path.symlink_to(tmp_path / "elsewhere")
        write_profile(path, "third", "k")
        assert path.is_symlink()
        assert profile_key(path, "project") == "project-key"

    @pytest.mark.parametrize(
        "content", [f"{CANARY}\n".encode(), b"\xff\xfe", f"[a]\n[a]\nx={CANARY}".encode()]
    )
    def test_a_file_that_is_no_profiles_file_is_named_but_not_quoted(self, home, content):
        path = profiles_path(home)
        path.parent.mkdir()
        path.touch(0o600)
        path.write_bytes(content)
        with pytest.raises(UsageError, match="profiles") as refused:
            profile_key(path, None)
        assert CANARY not in str(refused.value)
        assert refused.value.__cause__ is None

    @pytest.mark.parametrize("name", ["__anonymous__", "DEFAULT", "a]b", "a\nb", ""])
    def test_a_name_that_would_not_come_back_is_refused(self, home, name):
        with pytest.raises(UsageError):
            write_profile(profiles_path(home), name, "k")

    @pytest.mark.parametrize("key", ["", "  ", "a\nb"])
    def test_a_key_that_is_none_is_refused(self, home, key):
        with pytest.raises(UsageError):
            write_profile(profiles_path(home), "default", key)
        assert not profiles_path(home).exists()

    def test_a_place_that_cannot_be_written_is_told(self, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(UsageError, match="cannot be"):
            write_profile(tmp_path / "file" / "profiles", "default", "k")

    def test_no_reader_ever_sees_a_file_half_written(self, profiles):
        path = profiles_path(profiles)
        seen, done = [], threading.Event()

        def look():
            while not done.is_set():
                seen.append(profile_key(path, "project"))

        reader = threading.Thread(target=look)
        reader.start()
        for n in range(50):
            write_profile(path, "default", f"key-{n}")
        done.set()
        reader.join()
        assert set(seen) <= {"project-key"}
