"""`small_file.final_names`: files get their names in steps, and what is odd of one concerns no other."""

from __future__ import annotations

import os
from contextlib import closing
from types import SimpleNamespace

import pytest

from mlhub_async.core.model import Asset, Job, Outcome, Proof, Record, Status
from mlhub_async.storage.inline import SLOW_SECONDS
from mlhub_async.storage.local.store import LocalStore
from mlhub_async.transfer.dedupe import UrlDedupe
from mlhub_async.transfer.small_file.final_names import FinalNames, StagedFile

COUNT = 6


class Trial:
    """Some staged files, and a clock that moves by `took` with each reading."""

    def __init__(self, store: LocalStore, paths: list[str]) -> None:
        self.store, self.returned, self.settled, self.steps = store, [], [], []
        self.dedupe = UrlDedupe(None)
        context = SimpleNamespace(store=store, dedupe=self.dedupe)
        self.names = FinalNames[StagedFile](context, self.returned.append)
        self.landed = [self.stage(path) for path in paths]

    def stage(self, path: str) -> tuple[Outcome, str]:
        url, file = f"https://h.test/{path}", StagedFile()
        file.url = url
        file.staged, mtime_ns = self.store.stage(path.encode())
        assert self.dedupe.begin_first(url, file, known_url=False)
        self.names.staged[path] = file
        record = Record(path, len(path), "", mtime_ns, Proof.SIZE)
        job = Job(Asset(url, path, "i", "c"), path)
        return Outcome(job, Status.FETCHED, record, None, 1, record.size), url

    async def settle(self, batch, place=None):
        if place is None:
            self.settled += [outcome for outcome, _ in batch]
            return
        outcomes = [outcome for outcome, _ in batch]
        self.steps = [list(step) for step in place(outcomes)]
        placed = [holds for step in self.steps for holds in step]
        self.settled += [outcome for outcome, holds in zip(outcomes, placed, strict=True) if holds]

    async def run(self) -> list[str]:
        await self.names.settle(self.landed, self.settle)
        assert not self.names.staged
        assert not any(
            self.dedupe._in_flight.get(url) for _, url in self.landed if url not in self.given_back
        )
        return [outcome.job.path for outcome in self.settled if outcome.status is Status.FETCHED]

    @property
    def given_back(self) -> set[str]:
        return {file.url for file in self.returned}


@pytest.fixture
def store(tmp_path):
    store = LocalStore(tmp_path / "dest")
    store.open()
    with closing(store):
        yield store


def paths(folder: str = "c/i") -> list[str]:
    return [f"{folder}/{number}.bin" for number in range(COUNT)]


async def test_all_but_the_first_of_a_folder_are_named_in_one_step(store):
    trial = Trial(store, paths())
    assert await trial.run() == paths()
    assert [len(step) for step in trial.steps] == [1, COUNT - 1]
    assert {path: (store.root / path).read_text() for path in paths()} == {path: path for path in paths()}


async def test_a_step_ends_with_a_name_that_took_long(store, monkeypatch):
    first = Trial(store, ["c/i/first.bin"])
    await first.run()  # the folder is open now
    trial, slow = Trial(store, paths()), iter([0.0, 0.0, 2 * SLOW_SECONDS, *[2 * SLOW_SECONDS] * 20])
    monkeypatch.setattr(store.disk, "clock", lambda: next(slow))
    assert await trial.run() == paths()
    assert [len(step) for step in trial.steps] == [2, 1, COUNT - 3]
    assert not store.disk.fast


async def test_what_is_in_the_way_of_one_file_is_its_failure_alone(store):
    (store.root / "c/i/2.bin/x").mkdir(parents=True)
    trial = Trial(store, paths())
    assert await trial.run() == [path for path in paths() if "2.bin" not in path]
    [failed] = [outcome for outcome in trial.settled if outcome.status is Status.FAILED]
    assert (failed.job.path, failed.record, failed.error.kind) == ("c/i/2.bin", None, "path")


async def test_a_file_that_the_disk_refuses_is_given_back(store, monkeypatch):
    trial = Trial(store, paths())
    missing = trial.names.staged["c/i/3.bin"].staged
    rename = os.rename

    def refuse(source, *args, **options):
        if source == missing:
            raise OSError(28, "No space left on device")
        return rename(source, *args, **options)

    monkeypatch.setattr(os, "rename", refuse)
    assert await trial.run() == [path for path in paths() if "3.bin" not in path]
    assert trial.given_back == {"https://h.test/c/i/3.bin"}
