"""Opens the references that the options of a run name, with an HTTP client that is for them alone."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

from ....core.errors import ReferenceWarning, UsageError
from ....core.options import Options, RetryPolicy
from ....core.urls import is_store_address, redacted, term_safe
from ....http.auth.credentials import split_header_name
from ....http.resilience.circuit_breaker import OutagePolicy
from ....http.resilience.concurrency import FIRST_LIMIT, MAX_LIMIT
from ....http.resilience.gate import OriginLimits
from ....http.resilience.rate_limit import RateLimiter
from ....sources.access import user_url
from ....sources.location import SourceKind, SourceLocation
from ....storage.layout import CATALOG_FILE
from ...connect import open_http
from .directory import DirectoryReference
from .found import Reference

MAX_TIMEOUT_SECONDS = 15.0
MAX_CONNECT_SECONDS = 5.0
"""A reference that is slower than this saves nothing."""
NO_WAITING = OutagePolicy(max_probes=0, max_seconds=-1.0)


@asynccontextmanager
async def open_references(
    options: Options, environ: Mapping[str, str], dest: Path | None, rate_limiter: RateLimiter
) -> AsyncIterator[list[Reference]]:
    """The references in their order, closed at the end. DEST itself is left out, with a warning.

    Raises `UsageError` for what is neither a directory nor an address of http or https.
    """
    async with AsyncExitStack() as stack:
        urls = {given: _address(given) for given in options.references if "://" in given}
        http = None
        if urls:
            limits = OriginLimits(
                options.max_per_host or MAX_LIMIT,
                first=FIRST_LIMIT,
                rate_limiter=rate_limiter,
                outage_policy=NO_WAITING,
            )
            location = SourceLocation(SourceKind.OBJECTS)
            own = _own_options(options, urls.values())
            http = await stack.enter_async_context(open_http(location, own, environ, limits))
        found: list[Reference] = []
        for given in dict.fromkeys(options.references):
            if http is not None and given in urls:
                from .served import ServedReference

                found.append(ServedReference(urls[given], http))
            elif dest is not None and _is_same(given, dest):
                _warn_of_itself(given)
            else:
                found.append(DirectoryReference(Path(given)))
                stack.callback(found[-1].close)
        yield found


def check_references(options: Options) -> None:
    """Raise `UsageError` for what is neither a directory nor an address of http or https."""
    for given in options.references:
        if "://" in given:
            _address(given)


def _address(given: str) -> str:
    """The address of a DEST, with a slash at the end."""
    if is_store_address(given) or not given.lower().startswith(("http://", "https://")):
        raise UsageError(
            f"--reference {term_safe(redacted(given), 300)}: give the directory of a mirror, or the address "
            "of one that 'mlhub-async serve' or a web server has"
        )
    url = user_url(given, "--reference").partition("#")[0]
    if "?" in url:
        raise UsageError(f"--reference {term_safe(redacted(given), 300)}: leave out what follows the '?'")
    return url.removesuffix(f"/{CATALOG_FILE}").rstrip("/") + "/"


def _own_options(options: Options, urls: Iterable[str]) -> Options:
    """Options without what is meant for SOURCE: keys, and headers that are bound to no host."""
    headers = tuple([(name, value) for name, value in options.headers if split_header_name(name)[0]])
    return replace(
        options,
        headers=headers,
        api_key=None,
        api_token=None,
        profile=None,
        allow_origins=tuple(urls),
        retry=RetryPolicy(attempts=1, base=0),
        timeout=min(options.timeout, MAX_TIMEOUT_SECONDS),
        connect_timeout=min(options.connect_timeout, MAX_CONNECT_SECONDS),
    )


def _is_same(given: str, dest: Path) -> bool:
    return os.path.realpath(given) == os.path.realpath(dest)


def _warn_of_itself(given: str) -> None:
    import warnings

    words = f"reference {term_safe(given, 300)} is DEST itself: it is left out"
    warnings.warn(words, ReferenceWarning, stacklevel=2)
