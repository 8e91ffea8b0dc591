"""An item that is listed twice in a run is compared with what was claimed first, whenever the claims meet."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager

from mlhub_async import Options
from mlhub_async.core.model import Item, Outcome, Proof, Record, Status
from mlhub_async.engine.inventory import Inventory
from mlhub_async.storage.ledger.ledger import Ledger
from mlhub_async.storage.ledger.recovery import DocumentRecords
from mlhub_async.storage.local.store import LocalStore
from mlhub_async.transfer.existing import ExistingFiles
from support.stac_server import stac_item


def item(href: str) -> Item:
    body = stac_item("s1", data={"href": f"https://h.test/{href}"})
    return Item("s1", body["collection"], body, "https://h.test/s1.json")


@asynccontextmanager
async def opened(store):
    ledger = Ledger(store.state, store)
    await ledger.open("source", "{}", "now")
    existing = ExistingFiles.of(store, "resume", "auto").policy
    files = DocumentRecords(store.is_as_recorded, store.stat, None)
    inventory = Inventory(ledger, files, Options(), existing, base="", source_root="", skips_unchanged=False)
    try:
        yield ledger, inventory
    finally:
        await ledger.close()


async def test_a_claim_that_the_ledger_has_before_its_caller_goes_on(tmp_path, monkeypatch):
    """The first claim is made in the ledger's thread, the second in the loop, before the first caller has a
    turn; the ledger still has the description of the run before."""
    store = LocalStore(tmp_path / "dest")
    store.open()
    async with opened(store) as (ledger, inventory):
        batch = await inventory.claim([item("old.tif")], is_final=True)
        [(job, _)] = batch.jobs
        record = Record(job.path, 1, "ab" * 32, store.put(job.path, b"1"), Proof.SIZE)
        outcome = Outcome(job, Status.FETCHED, record)
        await ledger.record([(outcome, job.asset.href)])
        for written in inventory.settle([outcome]):
            await inventory.write(written)
    async with opened(store) as (ledger, inventory):
        await inventory._claim_collections([item("new.tif")])
        loop, executor, second = asyncio.get_running_loop(), ledger._executor, []
        claim, submit = ledger._book.claim, executor.submit

        def claim_again():
            while executor._in_thread:
                time.sleep(0)
            second.append(loop.create_task(inventory.claim([item("new.tif")], is_final=True)))

        def first_claim(wanted):
            monkeypatch.setattr(ledger._book, "claim", claim)
            try:
                return claim(wanted)
            finally:
                loop.call_soon_threadsafe(claim_again)

        def in_thread(call, *, brief=False):
            monkeypatch.setattr(executor, "submit", submit)
            return submit(call)

        monkeypatch.setattr(ledger._book, "claim", first_claim)
        monkeypatch.setattr(executor, "submit", in_thread)
        first = await inventory.claim([item("new.tif")], is_final=True)
        [again] = second
        assert (len(first.jobs), (await again).repeated) == (1, 1)
        assert not inventory.flaws
    store.close()
