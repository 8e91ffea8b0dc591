"""`lock --check` as a command: what it prints, and its exit codes."""

import json

from support.server import tif
from support.stac_server import stac_item, static_catalog


def test_the_command_prints_what_has_changed(site, run_cli, tmp_path):
    data, locked = tmp_path / "data", tmp_path / "data.lock"
    bodies = {f"/{number}/a.tif": tif(2000 + number, number) for number in range(8)}
    hrefs = [site.put(path, body, etag=f'"{path}"') for path, body in bodies.items()]
    items = [stac_item(f"i{number}", a=href) for number, href in enumerate(hrefs)]
    source = static_catalog(site, items)
    assert run_cli("mirror", source, data, "-q", "--allow-private").code == 0
    assert run_cli("lock", data, "-o", locked).code == 0
    same = run_cli("lock", "--check", locked)
    assert (same.code, same.out) == (0, "8 files are the same (8 by a conditional request)\n")
    del site.things["/0/a.tif"]
    site.put("/2/a.tif", tif(2002, 90), etag='"new"')
    ended = run_cli("lock", "--check", locked)
    assert (
        ended.code == 4 and "~ c1/i2/a.tif (digest)\n" in ended.out and "- c1/i0/a.tif (gone: " in ended.out
    )
    as_json = run_cli("lock", "--check", locked, "--json")
    events = [json.loads(line) for line in as_json.out.splitlines()]
    assert {one["path"]: one["found"] for one in events[:-1]} == {
        "c1/i0/a.tif": "gone",
        "c1/i2/a.tif": "digest",
    }
    assert {one["event"] for one in events[:-1]} == {"upstream"}
    summary = events[-1]
    assert (summary["event"], summary["same"], summary["gone"], summary["digest"]) == ("summary", 6, 1, 1)
    assert (as_json.code, summary["exit_code"]) == (4, 4)
    assert run_cli("lock", "--check", data).code == 2
    assert run_cli("lock", data, "--from", "x").code == 2
