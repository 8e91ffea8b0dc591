"""Signed URLs from the API that the authentication scheme of an asset names (the type signedUrl).

The API is told the address of the asset, and gets the credentials of the user that its origin may see.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from ....core.errors import TransferError, UsageError
from ....core.json_text import dumps
from ....core.model import Request
from ....core.urls import Origin, origin, parse, redacted, term_safe, with_parameter
from ..credentials import check_header_name
from .schemes import SIGNED_URL, DeclaredScheme, declared_scheme, url_origin

if TYPE_CHECKING:
    from ....core.ports import ReadDocuments

RESPONSE_FIELDS = ("signed_url", "href", "url")
"""Where the URL is in the answer of an API that does not say it."""
_amazon = re.compile(
    r"https://(?:(?P<bucket>[a-z0-9.-]+)\.)?s3[a-z0-9.-]*\.amazonaws\.com/(?P<path>[^?]*)", re.ASCII
).match


async def signed_url(
    url: str, auth: Sequence[str], reader: ReadDocuments, trusted: Collection[Origin]
) -> str | None:
    """A signed URL for that of an asset; None where no scheme has an API that may be asked.

    `trusted`: the origins that the user has named. Raises `TransferError` where the API refuses, or wants
    or answers something else, and `Transient` as `reader` does.
    """
    for scheme in map(declared_scheme, auth):
        if scheme.type == SIGNED_URL and url_origin(scheme.authorization_api) in trusted:
            request = _request(scheme, url)
            answer = (await reader.read(request)).body
            return _url_in(answer, scheme, request)
    return None


def _request(scheme: DeclaredScheme, url: str) -> Request:
    api, flow = parse(scheme.authorization_api), scheme.flow
    method = str(flow.get("method", "GET")).upper()
    parameters = flow.get("parameters")
    if method not in ("GET", "POST"):
        raise _unusable(api, f"it wants the method {term_safe(method)}")
    fields: dict[str, str] = {"accept": "application/json"}
    body: dict[str, str] = {}
    for name, value, place in _values(api, parameters, url):
        if place == "query":
            api = with_parameter(api, name, value)
        elif place == "header":
            fields[name] = value
        else:
            body[name] = value
    if not body and method == "GET":
        return Request(api, headers=fields)
    return Request(api, "POST", {**fields, "content-type": "application/json"}, dumps(body))


def _values(api: str, parameters: Any, url: str) -> list[tuple[str, str, str]]:
    """Name, value and place of the parameters that this program knows: the address, or bucket and key."""
    known, found = _known(url), []
    for name, about in parameters.items() if isinstance(parameters, dict) else ():
        spec = about if isinstance(about, dict) else {}
        value, place = known.get(name.lower()), spec.get("in")
        if name.lower() == "authorization":
            continue  # the signers of its origin add that
        if value is not None and place in ("query", "header", "body"):
            if place == "header" and not _may_be_set(name):
                raise _unusable(api, f"it wants the header {term_safe(name)}")
            found.append((name, value, place))
        elif spec.get("required") in (True, "true"):
            raise _unusable(api, f"it wants the parameter {term_safe(name)}, which is not known here")
    if not found:
        raise _unusable(api, "nothing says how it is told the address")
    return found


def _may_be_set(name: str) -> bool:
    try:
        check_header_name(name)
    except UsageError:
        return False
    return True


def _known(url: str) -> dict[str, str]:
    known = {name: url for name in ("href", "url", "uri", "asset_href", "asset_url")}
    if place := _amazon(url):
        bucket, path = place["bucket"], place["path"]
        if bucket is None:
            bucket, _, path = path.partition("/")
        known |= {"bucket": bucket, "key": unquote(path)}
    return known


def _url_in(answer: Any, scheme: DeclaredScheme, request: Request) -> str:
    field = scheme.flow.get("responseField")
    names = [field] if isinstance(field, str) else RESPONSE_FIELDS
    found = (
        next((answer[name] for name in names if name in answer), None) if isinstance(answer, dict) else None
    )
    try:
        url = parse(found)
        protocol = origin(url).scheme
    except TransferError:
        raise _unusable(request.url, f"its answer has no URL in {term_safe(names[0])}") from None
    if protocol not in ("https", origin(request.url).scheme):
        raise _unusable(request.url, f"its answer leads to {protocol}")
    return url


def _unusable(api: str, why: str) -> TransferError:
    return TransferError(f"{redacted(api)} cannot be asked to sign URLs: {why}", kind="unauthorized")
