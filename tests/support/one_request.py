"""Asks one URL as a run with these options would, with every wait taken out."""

from __future__ import annotations

from typing import Any

from mlhub_async import Options, RetryPolicy
from mlhub_async.core.model import Request
from mlhub_async.engine.connect import open_http
from mlhub_async.sources.location import location_of
from support.wire_format import Seen

CANARY = "CANARY-0123456789"
SECRETS: dict[str, Any] = {
    "headers": (("Authorization", f"Bearer {CANARY}"), ("X-Api-Key", CANARY), ("Cookie", f"id={CANARY}")),
    "api_key": CANARY,
}
"""Every kind of credential at once, all given for SOURCE."""


async def ask(
    source: str, url: str | Request, *, environ: dict[str, str] | None = None, **options: Any
) -> bytes:
    """The document at `url`, or the answer to that request, read in a run over `source`."""
    chosen = Options(retry=RetryPolicy(attempts=1, base=0), **options)
    async with open_http(location_of(source, environ or {}), chosen, environ or {}) as http:
        return (await http.read_bytes(Request(url) if isinstance(url, str) else url))[0]


def told(seen: Seen) -> set[str]:
    """Which of the four ways of telling who asks this request used."""
    ways = {name for name in ("authorization", "x-api-key", "cookie") if CANARY in seen.headers.get(name, "")}
    assert (CANARY in str(seen)) == bool(ways), seen
    return ways | ({"key"} if f"key={CANARY}" in seen.query else set())


ALL = {"authorization", "x-api-key", "cookie", "key"}
