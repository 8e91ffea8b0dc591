"""The sample as an object store and as a data set of a hub: the commands that `serve-demo` prints."""

import asyncio
import shlex
from contextlib import suppress

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


@pytest.mark.parametrize(("number", "files"), [(3, 4), (4, 61)])
async def test_a_command_that_it_prints_can_be_pasted(monkeypatch, run_cli, dest, number, files):
    monkeypatch.setattr(listings, "PAGE_OBJECTS", 7)
    announced: list[str] = []
    running = asyncio.create_task(run_forever(DemoConfig(items=2, dates=2), announced.append))
    await until(lambda: len(announced) == 5)
    words = shlex.split(announced[number])
    env = dict(word.split("=", 1) for word in words if word.startswith("HF_"))
    words = [word for word in words if not word.startswith("HF_")][1:]
    words[words.index("data")] = str(dest)
    ran = await asyncio.to_thread(run_cli, *words, env=env)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert ran.code == 0, ran.err
    mirrored = Mirrored(dest)
    mirrored.check(0)
    assert len(mirrored.files) == files == mirrored.receipt["assets"]["verified_checksum"]
