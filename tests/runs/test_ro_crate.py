"""`--ro-crate`: the description of a mirror as a research object has every file with its digest."""

import hashlib
import json
from urllib.parse import unquote

from mlhub_async import verify
from support.engine import run
from support.mirrored import publish
from support.server import tif
from support.stac_server import stac_collection, stac_item

NAME = "ro-crate-metadata.json"


def entities(dest):
    found = json.loads((dest / NAME).read_bytes())["@graph"]
    known = {one["@id"]: one for one in found}
    assert len(known) == len(found)
    return known


def check(dest):
    """Every file in DEST is an entity and a part of the root, and every reference has its entity."""
    known = entities(dest)
    root = known["./"]
    assert known[NAME]["about"] == {"@id": "./"} and known[NAME]["conformsTo"]["@id"].endswith("/1.1")
    parts = [one["@id"] for one in root["hasPart"]]
    assert sorted(parts) == sorted(name for name, one in known.items() if one["@type"] == "File")
    paths = {path.relative_to(dest).as_posix() for path in dest.rglob("*") if path.is_file()}
    assert {unquote(one) for one in parts} == {one for one in paths if not one.startswith(".mlhub/")} - {NAME}
    for part in parts:
        body = (dest / unquote(part)).read_bytes()
        assert known[part]["sha256"] == hashlib.sha256(body).hexdigest()
        assert known[part]["contentSize"] == str(len(body))
    return root, known


async def test_every_file_is_there_with_its_digest_and_verify_knows_it(troubled, dest):
    site = await troubled.site()
    about = stac_collection(
        "c1", license="CC-BY-4.0", keywords=["crops"], providers=[{"name": "P", "roles": ["producer"]}]
    )
    items = [*publish(site, ["one"]), stac_item("two \u00e9 #", data=site.put("/two.tif", tif(300)))]
    about["links"] = [
        {"rel": "item", "href": site.json(f"/{number}.json", one)} for number, one in enumerate(items)
    ]
    source = site.json("/collection.json", about)
    assert (await run(source, dest, ro_crate=True, croissant=True)).ok
    # each description leaves out the other
    (dest / "croissant.json").rename(dest.parent / "croissant.json")
    root, known = check(dest)
    (dest.parent / "croissant.json").rename(dest / "croissant.json")
    assert root["description"] == "Collection c1" and root["keywords"] == ["crops"]
    assert known[root["license"]["@id"]]["name"] == "CC-BY-4.0"
    assert known[root["author"]["@id"]]["name"] == "P"
    assert (await verify(dest)).ok


async def test_later_runs_keep_it_up_to_date_and_write_it_only_after_a_change(troubled, dest):
    site = await troubled.site()
    items = publish(site, ["one", "two"])
    assert (await run(items, dest, ro_crate=True)).ok
    before = (dest / NAME).stat().st_mtime_ns
    assert (await run(items, dest)).ok
    assert (dest / NAME).stat().st_mtime_ns == before
    assert (await run([*items, *publish(site, ["more"])], dest)).ok
    assert any("/more/" in name for name in check(dest)[1])
