"""`auth status`: every key that there is, with its hosts and its end, and no key itself."""

import json

import pytest

from mlhub_async.cli.actions.auth import LOOKED_FOR
from mlhub_async.http.auth.schemes import BUILT_IN
from support.one_request import CANARY

KEYS = {
    "MLHUB_API_KEY": CANARY,
    "HF_TOKEN": f"hf_{CANARY}",
    "PC_SDK_SUBSCRIPTION_KEY": CANARY,
    "AWS_ACCESS_KEY_ID": f"AKIA{CANARY}",
    "AWS_SECRET_ACCESS_KEY": CANARY,
    "AWS_SESSION_TOKEN": CANARY,
    "CLOUDSDK_AUTH_ACCESS_TOKEN": CANARY,
    "AZURE_STORAGE_SAS_TOKEN": f"sv=2022&se=2024-01-01T00:00:00Z&sig={CANARY}",
    "AZURE_STORAGE_ACCOUNT": "mine",
    "EARTHDATA_TOKEN": CANARY,
    "CDSE_USERNAME": "me",
    "CDSE_PASSWORD": CANARY,
}
EMPTY = {"MLHUB_HOME": "nowhere"}


def rows(ended):
    assert len(ended.events) == 1 and ended.events[0]["event"] == "summary"
    return {row["scheme"]: row for row in ended.events[0]["keys"]}


def test_every_scheme_says_where_its_key_is_looked_for():
    assert set(LOOKED_FOR) == {"mlhub", *BUILT_IN}


def test_keys_are_named_with_their_hosts_and_never_shown(run_cli, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine data.test login me password {CANARY}\n")
    netrc.chmod(0o600)
    words = ("auth", "status", "--netrc", "-H", f"https://api.test X-Key: {CANARY}")
    words += ("-H", f"X-Other: {CANARY}")
    words += ("--auth", "store.test=s3", "--auth", "open.test=none")
    env = {**KEYS, **EMPTY, "NETRC": str(netrc)}
    shown, told = run_cli(*words, env=env), run_cli(*words, "--json", env=env)
    assert (shown.code, told.code) == (0, 0), shown.err + told.err
    assert CANARY not in shown.out + shown.err + told.out + told.err
    found = rows(told)
    assert {name: row["key"] for name, row in found.items()} == {
        "mlhub": "MLHUB_API_KEY",
        "-H": "-H",
        "--netrc": str(netrc),
        "azure-sas": "AZURE_STORAGE_SAS_TOKEN",
        "planetary-computer": "PC_SDK_SUBSCRIPTION_KEY",
        "s3": "AWS_ACCESS_KEY_ID",
        "google": "CLOUDSDK_AUTH_ACCESS_TOKEN",
        "hugging-face": "HF_TOKEN",
        "earthdata": "EARTHDATA_TOKEN",
        "copernicus": found["copernicus"]["key"],
        "earthdata-s3": "",
        "terrascope": "",
        "oauth2": "",
    }
    hosts = {name: row["hosts"] for name, row in found.items()}
    assert hosts["--netrc"] == "https://data.test" and hosts["-H"] == "https://api.test"
    assert hosts["s3"] == "*.amazonaws.com, https://store.test"
    assert "https://mine.blob.core.windows.net" in hosts["azure-sas"]
    assert (found["azure-sas"]["until"], found["azure-sas"]["ended"]) == ("2024-01-01T00:00:00+00:00", True)
    assert "azure-sas: AZURE_STORAGE_SAS_TOKEN, for" in shown.out and "ended 2024-01-01" in shown.out


def test_without_keys_it_says_what_would_be_one(run_cli):
    ended = run_cli("auth", "status", env=EMPTY)
    assert ended.code == 0
    assert ended.out.splitlines()[0] == f"mlhub: no key: {LOOKED_FOR['mlhub']}"
    assert len(ended.out.splitlines()) == len(LOOKED_FOR)


@pytest.mark.parametrize(
    ("words", "env", "scheme", "said"),
    [
        ((), {"AWS_ACCESS_KEY_ID": CANARY}, "s3", "AWS_SECRET_ACCESS_KEY is not"),
        ((), {"AZURE_STORAGE_SAS_TOKEN": f"sv={CANARY}"}, "azure-sas", "has no 'sig='"),
        (("--profile", "lost"), {}, "mlhub", "lost"),
        (("--auth", "data.test=unknown"), {}, "unknown", "there is no scheme 'unknown'"),
    ],
)
def test_a_key_that_cannot_be_used_is_exit_code_2(run_cli, words, env, scheme, said):
    for talk in ((), ("--json",)):
        ended = run_cli("auth", "status", *words, *talk, env={**EMPTY, **env})
        assert ended.code == 2 and said in ended.out and CANARY not in ended.out + ended.err
    assert said in rows(ended)[scheme]["error"]


def test_it_reads_no_file_that_others_may_read(run_cli, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine data.test login me password x\n")
    netrc.chmod(0o644)
    ended = run_cli("auth", "status", "--netrc", "--json", env={**EMPTY, "NETRC": str(netrc)})
    assert ended.code == 2 and "chmod 600" in json.dumps(rows(ended)["--netrc"]["error"])
