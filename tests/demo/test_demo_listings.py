"""The sample as an object store and as a data set of a hub: the commands that `serve-demo` prints."""

import asyncio
import shlex
from contextlib import asynccontextmanager, suppress

import pytest

from mlhub_async.demo import DemoConfig, run_forever
from mlhub_async.demo.sample import Sample
from mlhub_async.demo.storage import listings
from mlhub_async.demo.storage.objects import find_object
from support.mirrored import Mirrored
from support.wire_format import until


def test_every_listed_object_can_be_made_and_none_is_listed_twice():
    content = Sample(2, 2)
    paths = listings.object_paths(content)
    assert paths == sorted(set(paths)) and len(paths) == 1 + 2 * (2 + 2 * 14)
    assert all(find_object(content, path) is not None for path in paths)


@asynccontextmanager
async def printed():
    """The lines that `serve-demo` prints, while it serves."""
    announced: list[str] = []
    running = asyncio.create_task(run_forever(DemoConfig(items=2, dates=2), announced.append))
    await until(lambda: len(announced) == 8)
    yield announced
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def run_printed(line, run_cli, dest):
    words = shlex.split(line)
    env = dict(word.split("=", 1) for word in words if word.startswith("HF_"))
    words = [word for word in words if not word.startswith("HF_")][1:]
    words[words.index("data")] = str(dest)
    ran = await asyncio.to_thread(run_cli, *words, env=env)
    assert ran.code == 0, ran.err
    mirrored = Mirrored(dest)
    mirrored.check(0)
    return mirrored


@pytest.mark.parametrize(
    ("number", "files", "proof"),
    [(3, 4, "checksum"), (4, 61, "checksum"), (5, 4, "size"), (6, 4, "size"), (7, 4, "size")],
)
async def test_a_command_that_it_prints_can_be_pasted(monkeypatch, run_cli, dest, number, files, proof):
    monkeypatch.setattr(listings, "PAGE_OBJECTS", 7)
    async with printed() as announced:
        mirrored = await run_printed(announced[number], run_cli, dest)
    assert len(mirrored.files) == files == mirrored.receipt["assets"][f"verified_{proof}"]


async def test_a_bucket_and_archives_of_the_same_files_give_the_same_manifest(run_cli, dest):
    async with printed() as announced:
        ran = [await run_printed(announced[n], run_cli, dest / str(n)) for n in (3, 5, 6, 7)]
    assert len({mirrored.receipt["manifest_sha256"] for mirrored in ran}) == 1
