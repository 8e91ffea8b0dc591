"""Every command and snippet of README.md and docs/ runs: hosts under `.example` are servers on loopback.

What cannot run is in one short list, each with its reason. A snippet that needs a package which is not
installed here is left out with the rest of its page.
"""

import importlib.util
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys

import pytest

from support.documented import DOCS, PAGES, ROOT, hosts, snippets

RUN = ("sh", "python", "toml")
OUTPUT = ("text",)
"""Languages of blocks that show what is printed, and layouts of folders."""
NOT_RUN = {
    (
        "README.md",
        "python3 -m venv .venv && . .venv/bin/activate && python -m pip install . && mlhub-async demo",
    ): "installs packages: run by test_the_commands_of_the_readme_run_in_a_fresh_clone",
    (
        "README.md",
        "python3 -m venv .venv && . .venv/bin/activate && python -m pip install '.[dev]' && python -m pytest",
    ): "runs this test: its other steps run in test_the_commands_of_the_readme_run_in_a_fresh_clone",
    (
        "docs/tutorial.md",
        "python3 -m venv .venv && . .venv/bin/activate",
    ): "installs packages, as the first line of the README",
    ("docs/tutorial.md", "python -m pip install torch rasterio pystac"): "downloads 200 MB or more",
    (
        "docs/read-a-mirror.md",
        "python -m pip install pystac rasterio geopandas odc-stac stackstac",
    ): "downloads 200 MB",
    (
        "docs/read-a-mirror.md",
        "import xarray",
    ): "needs a Zarr store: run by tests/counterparts/open_mirror.py",
    (
        "docs/authentication.md",
        "mlhub-async mirror https://stac.dataspace.copernicus.eu/v1 cdse -c sentinel-2-l2a --max-items 10"
        " --max-per-host 4",
    ): "a service that asks for an account of its own",
}
CHIP = {
    "type": "Feature",
    "stac_version": "1.0.0",
    "id": "one",
    "collection": "chips",
    "geometry": None,
    "properties": {"datetime": "2020-01-01T00:00:00Z"},
    "links": [],
    "assets": {"labels": {"href": "https://archive.example/labels.tif"}},
}
MIRROR = (
    "import mlhub_async; options = mlhub_async.Options(allow_private=True); "
    f"assert mlhub_async.blocking.mirror([{CHIP}], 'data', options).ok"
)
PRELUDES = {
    "docs/serve.md": MIRROR,
    "docs/report.md": MIRROR,
    "README.md": "train_on = print",
    "docs/python-api.md": (
        "import os; from mlhub_async import Options, Selection; train_on = print; "
        "key = os.environ['MLHUB_API_KEY']; source = 'https://stac.example/catalog.json'; "
        "options = Options(Selection('ref_landcovernet_v1_labels', include='labels', follow_sources=False))"
    ),
}
"""What stands for names that a page takes from its reader."""
RUN_ELSEWHERE = {
    "docs/from-mlhub-clients.md": "tests/runs/test_mlhub_clients.py",
    "docs/signers.md": "tests/contract/test_signer_entry_points.py",
    "docs/shards.md": "tests/runs/test_shards_recipes.py",
}
"""Pages whose snippets need a world of their own."""
READ_AN_MLHUB = ("README.md", "docs/python-api.md")
"""Pages whose reader has set the variables of a server like the former MLHub."""
SERVING = {("docs/serve.md", "mlhub-async serve data"), ("docs/references.md", "mlhub-async serve first")}
"""Commands that serve at port 8080 until they are ended: they run beside the rest of their page."""
OTHER_PROGRAMS = {"docs/serve.md": ("curl", "gdalinfo")}
WITH_PAGES = ("README.md", "docs/references.md", "docs/report.md", "docs/serve.md")
"""They make pages by a package that environments of before do not have."""
OTHER_PACKAGES = {
    "docs/tutorial.md": ("torch", "rasterio", "pystac"),
    "docs/how-to.md": ("pystac", "pyarrow"),
    "docs/serve.md": ("pystac",),
    "docs/read-a-mirror.md": ("odc", "stackstac", "rasterio", "geopandas", "tifffile"),
}


def runnable(path):
    if path.relative_to(ROOT).as_posix() in RUN_ELSEWHERE:
        return []
    return [
        one for one in snippets(path) if one.language in RUN and (one.page, one.first_line) not in NOT_RUN
    ]


def for_runner(one):
    if (one.page, one.first_line) in SERVING:
        return {"language": one.language, "text": f"{one.first_line} --port {PORT}", "port": str(PORT)}
    return {"language": one.language, "text": one.text}


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


PORT = free_port()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with hosts(tmp_path_factory.mktemp("hosts")) as found:
        yield found


@pytest.fixture
def programs(tmp_path):
    """A folder with `mlhub-async` and `python`, as an environment that is active has them."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, words in {"mlhub-async": "-m mlhub_async ", "python": ""}.items():
        (folder / name).write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {words}"$@"\n')
        (folder / name).chmod(0o755)
    return folder


@pytest.mark.skipif(
    sys.platform == "win32" or shutil.which("bash") is None, reason="the commands are for a POSIX shell"
)
@pytest.mark.xdist_group("documented")
@pytest.mark.parametrize("path", [path for path in PAGES if runnable(path)], ids=lambda path: path.name)
def test_every_snippet_of_a_page_runs(path, world, programs, tmp_path):
    name = path.relative_to(ROOT).as_posix()
    templates = ("jinja2",) if name in WITH_PAGES else ()
    for package in (*OTHER_PACKAGES.get(name, ()), *templates):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    for program in OTHER_PROGRAMS.get(name, ()):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    folder = tmp_path / "work"
    (folder / ".config/fish/completions").mkdir(parents=True)
    prelude = [{"language": "python", "text": PRELUDES[name]}] if name in PRELUDES else []
    given = [*prelude, *map(for_runner, runnable(path))]
    text = world.mapped(json.dumps(given)).replace("/mnt/nfs", str(tmp_path))
    text = text.replace("127.0.0.1:8080", f"127.0.0.1:{PORT}")
    text = text.replace("python examples/", f"python {ROOT}/examples/")
    inherited = {key: os.environ[key] for key in ("LANG", "TMPDIR") if key in os.environ}
    services = world.mlhub if name in READ_AN_MLHUB else {}
    env = {**inherited, **world.environ, **services, "HOME": str(folder), "PYTHONPATH": str(ROOT)}
    env["PIP_NO_INDEX"] = env["PIP_DRY_RUN"] = "1"  # no snippet changes the environment of the tests
    env["PATH"] = f"{programs}{os.pathsep}{os.environ['PATH']}"
    script = ROOT / "tests/support/run_snippets.py"
    strict = () if name in OTHER_PACKAGES else ("-W", "error")  # those packages warn of their own
    ended = subprocess.run(
        [sys.executable, *strict, str(script)], cwd=folder, env=env, input=text, text=True, timeout=280,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout[-6000:]


def test_what_does_not_run_is_little_and_has_a_reason():
    known = {(one.page, one.first_line) for path in PAGES for one in snippets(path)}
    assert set(NOT_RUN) <= known, "a snippet that is not run has changed or gone"
    assert len(NOT_RUN) <= 7 and all(len(reason) > 15 for reason in NOT_RUN.values())


@pytest.mark.parametrize(("page", "test"), RUN_ELSEWHERE.items())
def test_a_page_with_a_world_of_its_own_is_read_by_its_test(page, test):
    assert page.rpartition("/")[2] in (ROOT / test).read_text("utf-8")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_block_says_what_it_is_and_no_command_hides_in_another(path):
    for one in snippets(path):
        assert one.language in (*RUN, *OUTPUT), f"{one.page}: {one.first_line}"
        if one.language in OUTPUT:
            assert not re.search(r"^(\$ )?(mlhub-async|pip|python) ", one.text, re.MULTILINE), one.first_line


def test_the_recipes_are_twenty_or_more_and_each_has_a_snippet():
    sections = re.split(r"^### ", (DOCS / "how-to.md").read_text("utf-8"), flags=re.MULTILINE)[1:]
    assert len(sections) >= 20
    assert [one.split("\n")[0] for one in sections if "```" not in one] == []
