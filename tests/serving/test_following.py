"""The ledger of a mirror that is looked at while runs change it."""

import sqlite3
from contextlib import closing

import pytest

from mlhub_async.core.errors import StorageError, UsageError
from mlhub_async.engine.verify.following import MIN_AGE_SECONDS, FollowedLedger
from mlhub_async.storage.ledger.lookups.browsing import collection_rows
from support.engine import run
from support.mirrored import publish
from support.stac_server import static_catalog


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
async def site(troubled):
    return await troubled.site()


async def mirror(site, dest, *names):
    return await run(static_catalog(site, publish(site, names)), dest)


def items(ledger):
    return sum(row.items for row in ledger.ask(lambda found: collection_rows(found.statements.database)))


async def test_what_a_run_has_changed_is_seen_at_once_after_it(site, dest):
    await mirror(site, dest, "one")
    with closing(FollowedLedger(dest)) as ledger:
        assert items(ledger) == 1 and ledger.generation == 1
        assert items(ledger) == 1 and ledger.generation == 1
        await mirror(site, dest, "one", "two")
        assert items(ledger) == 2 and ledger.generation == 2


async def test_a_ledger_in_use_is_copied_again_only_after_a_while(site, dest):
    await mirror(site, dest, "one")
    clock = Clock()
    path = dest / ".mlhub/ledger.sqlite"
    with closing(FollowedLedger(dest, clock)) as ledger, closing(sqlite3.connect(path)) as other:
        other.execute("DELETE FROM seen")
        other.commit()  # from now on there is a write-ahead log
        assert items(ledger) == 1 and ledger.generation == 1
        other.execute("DELETE FROM file WHERE role=1")
        other.commit()
        assert items(ledger) == 1 and ledger.generation == 1
        clock.now += MIN_AGE_SECONDS
        assert items(ledger) == 0 and ledger.generation == 2
        other.execute("DELETE FROM file")
        other.commit()
        other.close()  # which ends the write-ahead log: nothing is to be copied any more
        assert items(ledger) == 0 and ledger.generation == 3


async def test_looking_at_it_changes_nothing_in_dest(site, dest):
    await mirror(site, dest, "one")
    before = {path: path.read_bytes() for path in dest.rglob("*") if path.is_file()}
    with closing(FollowedLedger(dest)) as ledger:
        assert items(ledger) == 1
    assert {path: path.read_bytes() for path in dest.rglob("*") if path.is_file()} == before


async def test_a_mirror_that_goes_away_or_breaks_is_an_error_and_may_come_back(site, dest):
    await mirror(site, dest, "one")
    path = dest / ".mlhub/ledger.sqlite"
    good = path.read_bytes()
    with closing(FollowedLedger(dest)) as ledger:
        assert items(ledger) == 1
        path.write_bytes(b"broken" * 1000)
        with pytest.raises(StorageError, match="the next mirror run rebuilds it"):
            items(ledger)
        path.unlink()
        with pytest.raises(UsageError, match="no mirror at"):
            items(ledger)
        path.write_bytes(good)
        assert items(ledger) == 1
