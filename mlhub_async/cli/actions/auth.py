"""`auth status`: prints which credentials there are, who may see them and until when; never a credential."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from ...core.errors import UsageError
from ...core.model import Document, Request
from ...core.options import Options
from ...core.ports import SeenKey, Signer, SigningContext
from ...core.telemetry import Events
from ...core.urls import term_safe
from ...http.auth.credentials import header_credentials, mlhub_credential, mlhub_place
from ...http.auth.schemes import BUILT_IN, NONE, RunSchemes, assignments, installed_schemes
from ...http.auth.signers.static import StaticSigner
from ...sources.location import mlhub_root, store_endpoints
from ..terminal.console import Console
from ..terminal.output import print_lines

LOOKED_FOR = {
    "mlhub": "MLHUB_API_KEY, MLHUB_PROFILE, the profile [default], MLHUB_ACCESS_TOKEN",
    "azure-sas": "AZURE_STORAGE_SAS_TOKEN with AZURE_STORAGE_ACCOUNT",
    "planetary-computer": "PC_SDK_SUBSCRIPTION_KEY, ~/.planetarycomputer/settings.env",
    "s3": "AWS_ACCESS_KEY_ID; AWS_PROFILE with python -m pip install 'botocore>=1.34'",
    "google": "GOOGLE_OAUTH_ACCESS_TOKEN, CLOUDSDK_AUTH_ACCESS_TOKEN",
    "hugging-face": "HF_TOKEN, ~/.cache/huggingface/token",
    "earthdata": "EARTHDATA_TOKEN; EARTHDATA_USERNAME with EARTHDATA_PASSWORD",
    "earthdata-s3": "that of earthdata, for hosts that --auth HOST=earthdata-s3 names",
    "copernicus": "CDSE_USERNAME with CDSE_PASSWORD",
    "terrascope": "TERRASCOPE_USERNAME with TERRASCOPE_PASSWORD",
    "oauth2": "MLHUB_OAUTH2_CLIENT_ID with MLHUB_OAUTH2_CLIENT_SECRET, or MLHUB_OAUTH2_USERNAME",
}
"""Where the credentials of each scheme are looked for."""
Row = dict[str, Any]


def run_auth_status(options: Options, console: Console) -> int:
    """Exit code 2 where credentials cannot be used, which any run that needs them would end with."""
    rows = list(_rows(options, os.environ))
    if console.as_json:
        Events(console.emit).emit("summary", keys=rows)
    else:
        print_lines([_line(row) for row in rows])
    return 2 if any(row["error"] for row in rows) else 0


class _NoReader:
    """No request is made."""

    async def read(self, request: Request) -> Document:
        raise NotImplementedError


def _rows(options: Options, environ: Mapping[str, str]) -> Iterator[Row]:
    yield from _row_of("mlhub", partial(_mlhub, options, environ))
    if options.headers:
        own = [(name, value) for name, value in options.headers if "://" in name]
        yield from _row_of("-H", lambda: StaticSigner(partial(header_credentials, own, None), "-H"))
    if options.netrc:
        yield from _row_of("--netrc", partial(_netrc, environ))
    context = SigningContext(
        environ,
        _NoReader(),
        given=frozenset(),
        source=None,
        endpoints=store_endpoints(options, environ),
        request_payer=options.request_payer is not None,
        name_address=lambda url: None,
        clock=time.time,
        token_file=options.token_file or "",
    )
    schemes = RunSchemes(context, options.auth, strict=False)
    named = {name for _, name in assignments(options.auth)} - {NONE, *BUILT_IN}
    for name in (*BUILT_IN, *sorted(named)):
        yield from _row_of(name, partial(schemes.signer, name))
    for name in sorted({*installed_schemes()} - {*BUILT_IN, *named}):
        yield _row(name, SeenKey("", "", note=f"used where --auth HOST={name} names a host"))


def _row_of(scheme: str, signer: Any) -> Iterator[Row]:
    try:
        made: Signer | None = signer()
        found = () if made is None else made.keys()
    except UsageError as error:
        yield _row(scheme, SeenKey("", ""), error.message)
        return
    yield from [_row(scheme, one) for one in found]
    if not found:
        yield _row(scheme, SeenKey("", "", note=f"no key: {LOOKED_FOR.get(scheme, 'none was found')}"))


def _row(scheme: str, key: SeenKey, error: str = "") -> Row:
    until = (
        None if key.until is None else datetime.fromtimestamp(key.until, UTC).isoformat(timespec="seconds")
    )
    is_over = key.until is not None and key.until <= time.time()
    return {
        "scheme": scheme,
        "key": key.place,
        "hosts": key.hosts,
        "until": until,
        "ended": is_over,
        "note": key.note,
        "error": error,
    }


def _line(row: Row) -> str:
    if row["error"]:
        return term_safe(f"{row['scheme']}: cannot be used: {row['error']}", 1000)
    end = f", {'ended' if row['ended'] else 'until'} {row['until']}" if row["until"] else ""
    note = f"; {row['note']}" if row["note"] else ""
    told = f"{row['key']}, for {row['hosts']}{end}{note}" if row["hosts"] else f"{row['key']}{note}"
    return term_safe(f"{row['scheme']}: {told.removeprefix('; ')}", 1000)


def _mlhub(options: Options, environ: Mapping[str, str]) -> StaticSigner:
    given = {"api_key": options.api_key, "api_token": options.api_token, "profile": options.profile}
    key = mlhub_credential(mlhub_root(environ), **given, environ=environ)  # type: ignore[arg-type]
    place = mlhub_place(options.profile, environ)
    if options.api_key or options.api_token:
        place = "--api-key" if options.api_key else "--api-token"
    return StaticSigner(lambda: [] if key is None else [key], place)


def _netrc(environ: Mapping[str, str]) -> StaticSigner:
    from ...http.auth.netrc import netrc_credentials, netrc_path

    path = netrc_path(environ)
    return StaticSigner(partial(netrc_credentials, path, []), str(path))
