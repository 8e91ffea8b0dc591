"""The signer of docs/signers.md, installed as a package installs it: it signs for the hosts of --auth."""

import sys
import tomllib
from pathlib import Path

import pytest

from support.command import REPOSITORY
from support.mirrored import Mirrored, publish
from support.one_request import CANARY
from support.stac_server import static_catalog

BLOCKS = (Path(REPOSITORY) / "docs/signers.md").read_text("utf-8").split("```")
MODULE = next(text.removeprefix("python\n") for text in BLOCKS if text.startswith("python\n"))
PROJECT = tomllib.loads(next(text.removeprefix("toml\n") for text in BLOCKS if text.startswith("toml\n")))


@pytest.fixture
def installed(tmp_path):
    """The folder of an installed package: its modules, and the metadata of its distribution."""
    folder = tmp_path / "site-packages"
    metadata = folder / "acme_signer-1.0.dist-info"
    metadata.mkdir(parents=True)
    (folder / "acme_signer.py").write_text(MODULE)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-signer\nVersion: 1.0\n")
    groups = PROJECT["project"]["entry-points"].items()
    lines = [f"[{group}]\n{name} = {value}\n" for group, points in groups for name, value in points.items()]
    (metadata / "entry_points.txt").write_text("".join(lines))
    return folder


def mirror(run_cli, folder, *words, **env):
    env = {"PYTHONPATH": f"{folder}:{REPOSITORY}", **env}
    return run_cli.start_raw(sys.executable, "-m", "mlhub_async", "mirror", *words, env=env).finish()


def keys_at(site):
    return {seen.headers.get("x-acme-key") for seen in site.log}


def test_the_signer_signs_for_the_hosts_of_its_scheme_only(installed, run_cli, site, troubled_thread, dest):
    other = troubled_thread.site("localhost")
    url = static_catalog(other, publish(site, ["one", "two"]))
    words = (url, dest, "--auth", f"{site.origin}=acme", "-vv")
    ran = mirror(run_cli, installed, *words, ACME_KEY=CANARY)
    assert ran.code == 0, ran.err
    assert len(Mirrored(dest).files) == 2
    assert (keys_at(site), keys_at(other)) == ({CANARY}, {None})
    assert CANARY not in ran.out + ran.err
    assert not [path for path in dest.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]


def test_a_scheme_that_is_not_named_is_not_even_imported(installed, run_cli, site, dest):
    (installed / "acme_signer.py").write_text("raise SystemExit('imported')")
    url = static_catalog(site, publish(site, ["one"]))
    assert mirror(run_cli, installed, url, dest, ACME_KEY=CANARY).code == 0
    assert keys_at(site) == {None}


@pytest.mark.parametrize(
    ("module", "scheme", "said"),
    [
        (MODULE, "acme", "there are no credentials for this scheme"),
        (MODULE, "other", "there is no scheme 'other' for --auth; there are none, "),
        ("import no_such_module", "acme", "the scheme acme cannot be loaded: ModuleNotFoundError"),
    ],
)
def test_a_scheme_that_cannot_be_used_is_a_usage_error(installed, run_cli, site, dest, module, scheme, said):
    (installed / "acme_signer.py").write_text(module)
    ran = mirror(run_cli, installed, site.url("/x.json"), dest, "--auth", f"data.test={scheme}")
    assert (ran.code, site.log) == (2, []) and said in ran.err
