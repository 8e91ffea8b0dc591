"""`mlhub-async report`: one page that says what is in a mirror and what is not."""

import mlhub_async
from support.engine import run
from support.mirrored import Mirrored, publish
from support.report_pages import Page
from support.stac_server import stac_item, static_catalog


def page_of(dest):
    return Page(mlhub_async.report_page(dest))


async def test_it_has_the_receipts_digest_every_collection_and_as_many_rows_as_errors_jsonl(troubled, dest):
    site = await troubled.site()
    items = [*publish(site, ["one", "two"]), stac_item("gone", data=site.url("/gone.tif"))]
    report = await run(static_catalog(site, items), dest)
    assert report.exit_code == 4
    page, mirrored = page_of(dest), Mirrored(dest)
    assert page.value("manifest_sha256") == mirrored.receipt["manifest_sha256"]
    assert page.value("Exit code").startswith("4: ")
    assert {one.text for one in page.all("th", scope="row")} >= {"c1"}
    rows = page.all("tr", class_="failure")
    assert len(rows) == len(mirrored.errors) == 1
    assert "gone" in rows[0].text and "404" in rows[0].text


def test_the_command_prints_the_path_of_the_page(run_cli, site, dest):
    run_cli("mirror", static_catalog(site, publish(site, ["one"])), dest, "--allow-private")
    done = run_cli("report", dest)
    assert (done.code, done.out) == (0, f"{dest}/.mlhub/report.html\n")
    page = Page((dest / ".mlhub/report.html").read_text())
    assert page.value("manifest_sha256") == Mirrored(dest).receipt["manifest_sha256"]
    assert run_cli("verify", dest).code == 0


def test_it_can_be_written_elsewhere_and_to_stdout(run_cli, site, dest, tmp_path):
    run_cli("mirror", static_catalog(site, publish(site, ["one"])), dest, "--allow-private")
    assert run_cli("report", dest, "-o", tmp_path / "page.html").out == f"{tmp_path}/page.html\n"
    written = Page((tmp_path / "page.html").read_text())
    printed = Page(run_cli("report", dest, "-o", "-").out)
    assert [one.name for one in printed.elements] == [one.name for one in written.elements]
    assert not (dest / ".mlhub/report.html").exists()


def test_without_a_mirror_it_is_exit_code_2_with_a_line(run_cli, tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("empty", "nowhere"):
        done = run_cli("report", tmp_path / name)
        assert done.code == 2 and done.out == ""
        assert done.err.count("\n") == 1 and f"no mirror at {tmp_path}/{name}" in done.err
    assert list((tmp_path / "empty").iterdir()) == []
