"""Bodies of the right length that are broken inside: found when asked for, or where nothing else can tell."""

import asyncio
import gzip
import threading
from contextlib import closing

import pytest

from mlhub_async.engine.verify import verify
from mlhub_async.storage.local.body import BodyWriter
from mlhub_async.storage.local.writer import WriterThreads
from support.engine import run, run_and_check
from support.mirrored import Mirrored
from support.samples import SAMPLES, UNCHECKED
from support.server import Chunked, CloseDelimited, Cut, Gzip, Status, tif
from support.stac_server import sizes_and_digests, stac_item, static_catalog

SMALL, LARGE = tif(20_000, 1), tif(700_000, 2)
UNFRAMED = [Chunked(5000), CloseDelimited()]
IDS = ["chunked", "close-delimited"]


@pytest.fixture
async def site(troubled):
    return await troubled.site()


def instead(body):
    return Status(200, body=body, content_type="image/tiff")


def one(site, body=SMALL, *, name="one.tif", faults=(), always=(), **about):
    return [
        stac_item("one", data={"href": site.put(f"/{name}", body, faults=faults, always=always), **about})
    ]


async def deep(dest):
    return {one.path: one.reason for one in (await verify(dest, deep=True)).damage}


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
async def test_a_cut_image_of_the_length_that_was_said_is_found_by_a_deep_look(site, dest, body):
    assert await run_and_check(one(site, body[:-1]), dest) == (0, "")
    assert (await verify(dest)).ok
    assert await deep(dest) == {"c1/one/data.tif": "structure"}
    found = await verify(dest, deep=True)
    assert found.exit_code == 6
    assert f"goes on to byte {len(body)} of {len(body) - 1}" in str(found.damage[0])


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
async def test_with_verify_deep_a_broken_image_never_gets_its_name(site, dest, body):
    assert await run_and_check(one(site, body[:-1]), dest, verify="deep") == (4, "structure")
    assert site.count("/one.tif") == 2
    assert Mirrored(dest).bytes_of("one") is None


CHECKED = sorted(SAMPLES.keys() - UNCHECKED - {"empty.zip", "first-00000.h5", "first-latest-00000.h5"})


def sample_items(site, lost):
    items = []
    for number, name in enumerate(CHECKED):
        body = SAMPLES[name]
        href = site.put(f"/{number}/{name}", body[: len(body) - (len(body) * 3 // 7 if lost else 0)])
        items.append(stac_item(f"n{number}", data={"href": href}))
    return items


async def test_a_cut_file_is_refused_when_it_is_looked_into(site, dest):
    report = await run(sample_items(site, lost=True), dest, verify="deep")
    kinds = {CHECKED[int(item[1:])]: kind for item, kind in Mirrored(dest).failed.items()}
    assert report.exit_code == 4
    assert kinds == dict.fromkeys(CHECKED, "structure")


async def test_a_whole_file_of_every_format_passes_when_it_is_looked_into(site, dest):
    report = await run(sample_items(site, lost=False), dest, verify="deep")
    assert (report.exit_code, Mirrored(dest).failed) == (0, {})
    assert await deep(dest) == {}


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
async def test_an_image_that_came_broken_once_is_fetched_again(site, dest, body):
    items = one(site, body, faults=[instead(body[:-1])])
    assert await run_and_check(items, dest, verify="deep") == (0, "")
    assert Mirrored(dest).bytes_of("one") == body
    assert await deep(dest) == {}


@pytest.mark.parametrize("framing", UNFRAMED, ids=IDS)
@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
async def test_where_no_length_was_said_the_structure_is_the_proof(site, dest, framing, body):
    items = one(site, body, faults=[(instead(body[: len(body) // 2]), framing)], always=[framing])
    assert await run_and_check(items, dest) == (0, "")
    assert Mirrored(dest).bytes_of("one") == body and site.count("/one.tif") == 2


@pytest.mark.parametrize("rst", [False, True], ids=["FIN", "RST"])
async def test_a_body_that_only_the_connection_ends_is_not_taken_for_whole(site, dest, rst):
    items = one(site, always=[CloseDelimited(), Cut(15_000, rst=rst)])
    code, _ = await run_and_check(items, dest)
    assert code in (4, 5) and Mirrored(dest).bytes_of("one") is None


@pytest.mark.parametrize("framing", UNFRAMED, ids=IDS)
async def test_a_size_or_digest_of_the_catalogue_is_proof_enough(site, dest, framing):
    broken = SMALL[:-1]
    known = sizes_and_digests(broken)
    for n, field in enumerate(known):
        items = one(site, broken, name=f"{n}.tif", always=[framing], **{field: known[field]})
        assert await run_and_check(items, dest / field.partition(":")[2]) == (0, "")


ODD = [
    ("one.tif", b"II*\0" + bytes(5000)),
    ("one.tif", b"MM\0*\x99\x99" + bytes(5000)),
    ("one.tif", b"II*\0\x08\0\0\0\2\0" + b"\xee" * 5000),
    ("one.png", b"\x89PNG\r\n\x1a\n" + b"not a chunk" * 500),
    ("one.jpg", b"\xff\xd8\xff\xe0\0\x10" + bytes(5000)),
]


@pytest.mark.parametrize(("name", "body"), ODD)
@pytest.mark.parametrize(("framing", "requests"), [(UNFRAMED[0], 1), (UNFRAMED[1], 2)], ids=IDS)
async def test_what_is_odd_but_not_cut_is_what_the_server_has(site, dest, name, body, framing, requests):
    """Where only the end of the connection is the end it has to come twice alike: no accident does that."""
    items = one(site, body, name=name, always=[framing])
    assert await run_and_check(items, dest) == (0, "")
    assert Mirrored(dest).bytes_of("one") == body and site.count(f"/{name}") == requests
    assert Mirrored(dest).receipt["assets"]["unverifiable"] == 1


async def test_what_is_odd_and_never_the_same_is_not_taken(site, dest):
    name, body = ODD[0]
    items = one(
        site, body, name=name, faults=[(instead(body[:-9]), CloseDelimited())], always=[CloseDelimited()]
    )
    assert await run_and_check(items, dest) == (4, "structure")
    assert Mirrored(dest).bytes_of("one") is None


async def test_an_odd_file_is_told_where_a_deep_look_was_asked_for(site, dest):
    name, body = ODD[0]
    assert await run_and_check(one(site, body, name=name), dest, verify="deep") == (4, "structure")


async def test_an_encoding_that_nobody_asked_for_hides_nothing(site, dest):
    assert await run_and_check(one(site, SMALL[:-1], always=[Gzip()]), dest) == (4, "structure")


@pytest.mark.parametrize("body", [tif(15_000, 3), LARGE], ids=["small", "large"])
@pytest.mark.parametrize("field", ["file:size", "file:checksum"])
async def test_what_came_packed_is_kept_so_if_that_is_what_the_catalogue_knows(site, dest, body, field):
    packed = gzip.compress(body, mtime=0)
    known = sizes_and_digests(packed)
    items = one(site, body, always=[Gzip()], **{field: known[field]})
    assert await run_and_check(items, dest) == (0, "")
    assert Mirrored(dest).bytes_of("one") == packed and site.count("/one.tif") == 2


async def test_a_second_run_that_looks_deeper_finds_what_the_first_one_took(site, dest):
    items = one(site, SMALL[:-1])
    assert await run_and_check(items, dest) == (0, "")
    assert (await run(items, dest, verify="deep")).exit_code == 4
    assert Mirrored(dest).failed == {"one": "structure"}
    site.put("/one.tif", SMALL)
    assert await run_and_check(items, dest, verify="deep") == (0, "")
    assert Mirrored(dest).bytes_of("one") == SMALL


async def test_a_broken_file_of_an_earlier_run_is_not_linked_to_again(site, dest):
    [item] = one(site, SMALL[:-1])
    assert await run_and_check([item], dest) == (0, "")
    site.put("/one.tif", SMALL)
    other = stac_item("two", data=item["assets"]["data"])
    assert (await run([other], dest, verify="deep")).exit_code == 0
    assert Mirrored(dest).bytes_of("two") == SMALL


@pytest.mark.parametrize("name", SAMPLES)
async def test_whole_files_of_every_format_pass(site, dest, name):
    assert await run_and_check(one(site, SAMPLES[name], name=name), dest, verify="deep") == (0, "")
    assert await deep(dest) == {}


def test_verify_deep_names_the_file_and_what_is_wrong_with_it(run_cli, troubled_thread, dest):
    site = troubled_thread.site()
    url = static_catalog(site, one(site, SMALL[:-1]))
    assert run_cli("mirror", url, dest).code == 0
    assert run_cli("verify", dest).code == 0
    ended = run_cli("verify", dest, "--deep")
    assert ended.code == 6
    assert "c1/one/data.tif: structure (TIFF: strip or tile 0 goes on to byte" in ended.err
    ended = run_cli("verify", dest, "--deep", "--json")
    assert ended.events[-1]["damage"][0]["reason"] == "structure"


def test_the_demo_passes_a_deep_look(run_cli, dest):
    assert run_cli("demo", dest, "--items", 2, "--dates", 2).code == 0
    ended = run_cli("verify", dest, "--deep")
    assert ended.code == 0, ended.err


@pytest.mark.parametrize("size", [1000, 600_000], ids=["in memory", "in a file"])
async def test_a_body_is_not_closed_while_somebody_looks_at_it(tmp_path, size):
    begun, go_on, seen = threading.Event(), threading.Event(), []

    def look(file):
        begun.set()
        go_on.wait(10)
        seen.append(len(file.read()))

    with closing(WriterThreads(threads=2)) as disk:
        body = BodyWriter(str(tmp_path / "x.part"), None, disk)
        body.begin([])
        if (busy := body.write(bytes(size))) is not None:
            await busy
        await body.complete()
        looking = asyncio.create_task(body.inspect(look))
        await asyncio.get_running_loop().run_in_executor(disk.pool, begun.wait, 10)
        looking.cancel()
        await asyncio.wait([looking])
        ending = asyncio.create_task(body.close())
        await asyncio.sleep(0)
        assert not ending.done()
        go_on.set()
        await ending
    assert looking.cancelled() and seen == [size]
