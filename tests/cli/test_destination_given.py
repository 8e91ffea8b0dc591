"""Where a mirror goes: to a directory that is named, or on in the one that has a mirror already."""

from support.mirrored import publish
from support.stac_server import static_catalog


def test_a_forgotten_destination_is_a_usage_error_and_nothing_is_written(run_cli, site):
    url = static_catalog(site, publish(site, ["one"]))
    ended = run_cli("mirror", url, "--allow-private")
    assert ended.code == 2 and "DEST is missing" in ended.err
    assert site.log == [] and list(run_cli.home.iterdir()) == []


def test_without_a_destination_the_mirror_in_the_current_directory_is_continued(run_cli, site):
    url = static_catalog(site, publish(site, ["one"]))
    assert run_cli("mirror", url, ".", "--allow-private").code == 0
    ended = run_cli("mirror", url, "--allow-private")
    assert ended.code == 0 and "1 already there" in ended.err
