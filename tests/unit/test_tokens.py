"""Tokens that end: one request for all that wait, renewed before the end, and refusals that are believed."""

import asyncio

import pytest

from mlhub_async.core.errors import Transient
from mlhub_async.core.secret import Secret
from mlhub_async.http.auth.tokens import Token, TokenCache


class Issuer:
    """Issues tokens that are valid for an hour by its own clock, which may differ from ours."""

    def __init__(self, ahead=0.0):
        self.now, self.ahead, self.issued = 1000.0, ahead, 0
        self.slow = asyncio.Event()
        self.slow.set()
        self.failure = None

    async def fetch(self, key):
        self.issued += 1
        await self.slow.wait()
        if self.failure is not None:
            raise self.failure
        return (
            None if key == "unknown" else Token(Secret(f"{key}-{self.issued}"), self.now + 3600 - self.ahead)
        )

    def cache(self):
        return TokenCache(self.fetch, lambda: self.now)


async def test_all_that_wait_for_a_token_share_one_request():
    issuer = Issuer()
    cache = issuer.cache()
    assert cache.get("a") is None
    assert all(await asyncio.gather(*(cache.renew("a") for _ in range(200)), cache.renew("b")))
    assert issuer.issued == 2
    assert cache.get("a").secret == Secret("a-1")


async def test_a_token_is_used_until_a_minute_before_its_end():
    issuer = Issuer()
    cache = issuer.cache()
    await cache.renew("a")
    issuer.now += 3539
    assert cache.get("a") is not None
    issuer.now += 1
    assert cache.get("a") is None
    assert await cache.renew("a") and issuer.issued == 2


async def test_with_a_clock_that_is_ahead_a_token_is_used_for_a_minute_all_the_same():
    issuer = Issuer(ahead=7200)
    cache = issuer.cache()
    await cache.renew("a")
    issuer.now += 59
    assert await cache.renew("a") and issuer.issued == 1
    issuer.now += 1
    assert await cache.renew("a") and issuer.issued == 2


async def test_a_refused_token_is_replaced_once_and_the_new_one_is_believed():
    issuer = Issuer()
    cache = issuer.cache()
    await cache.renew("a")
    first = cache.get("a").secret
    assert all(await asyncio.gather(*(cache.renew("a", first) for _ in range(50))))
    second = cache.get("a").secret
    assert issuer.issued == 2 and await cache.renew("a", first)  # one that was sent before the renewal
    assert not await cache.renew("a", second) and issuer.issued == 2
    issuer.now += 61
    assert await cache.renew("a", second) and issuer.issued == 3


async def test_what_has_no_token_is_asked_for_once():
    issuer = Issuer()
    cache = issuer.cache()
    assert not await cache.renew("unknown") and not await cache.renew("unknown")
    assert issuer.issued == 1 and cache.lacks("unknown") and not cache.lacks("a")


async def test_a_failure_is_that_of_all_that_wait_and_the_next_one_tries_again():
    issuer = Issuer()
    issuer.failure = Transient("down")
    cache = issuer.cache()
    found = await asyncio.gather(*(cache.renew("a") for _ in range(3)), return_exceptions=True)
    assert found == [issuer.failure] * 3 and issuer.issued == 1
    issuer.failure = None
    assert await cache.renew("a")


async def test_one_that_is_cancelled_takes_nothing_from_the_others_and_the_last_one_ends_the_request():
    issuer = Issuer()
    issuer.slow.clear()
    cache = issuer.cache()
    first, second = (asyncio.ensure_future(cache.renew("a")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    issuer.slow.set()
    assert await second and issuer.issued == 1
    issuer.slow.clear()
    third = asyncio.ensure_future(cache.renew("c"))
    await asyncio.sleep(0)
    third.cancel()
    with pytest.raises(asyncio.CancelledError):
        await third
    issuer.slow.set()
    assert await cache.renew("c") and issuer.issued == 3
