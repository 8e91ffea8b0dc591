"""Where an asset can be fetched from: its href, and those of `alternate`, in the order of their trial.

Addresses of object stores become URLs, with what the storage extension (version 1 or 2) says of region,
endpoint and account. https://github.com/stac-extensions/alternate-assets, https://github.com/stac-extensions/storage
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from ...core import urls
from ...core.errors import TransferError
from ...core.model import JsonObject
from ...core.urls import StoreEndpoints
from ..links import resolve

_OPTIONS = ("table:storage_options", "xarray:storage_options", "storage_options")
_WEB = ("https://", "http://")


class Location(NamedTuple):
    """`via` says which of an asset's addresses it is; "" for a plain href. `refs` is its `auth:refs`."""

    href: str
    via: str = ""
    refs: Any = None


def locations_of(
    asset: JsonObject, base: str, schemes: object, owner: JsonObject, endpoints: StoreEndpoints | None
) -> list[Location]:
    """The locations that can be fetched, the best first; of an asset without one its href as it is written.

    Web addresses come before those of object stores, and what everybody may read before what the reader
    pays for. `schemes` are the `storage:schemes` that the asset may refer to, `owner` has the properties of
    its item.
    """
    ranked, known = [], endpoints or StoreEndpoints()
    for name, one in _candidates(asset):
        href = one.get("href")
        if not isinstance(href, str):
            continue
        about = _storage(one, asset, schemes, owner)
        is_store = urls.is_store_address(href)
        url = _store_url(href, about, known) if is_store else resolve(href, base)
        if not url.startswith((*_WEB, "file:")):
            continue
        kind = href.partition(":")[0].lower() if is_store else ""
        via = " ".join(filter(None, (f"alternate {name}" if name else "", kind)))
        location = Location(url, via, one.get("auth:refs", asset.get("auth:refs")))
        ranked.append((about.get("requester_pays") is True, is_store, location))
    ranked.sort(key=lambda one: one[:2])
    return [location for _, _, location in ranked]


def _candidates(asset: JsonObject) -> Iterator[tuple[str, JsonObject]]:
    yield "", asset
    others = asset.get("alternate")
    for name, other in others.items() if isinstance(others, dict) else ():
        if isinstance(other, dict):
            yield urls.term_safe(name), other


def _storage(one: JsonObject, asset: JsonObject, schemes: object, owner: JsonObject) -> JsonObject:
    """What is said of the store: by version 2 in schemes that are referred to, by version 1 in fields."""
    found: dict[str, Any] = {}
    for place in (owner, asset, one):
        for name in ("region", "requester_pays", "platform", "account"):
            if (value := place.get(f"storage:{name}")) is not None:
                found[name] = value
        for name in _OPTIONS:
            found |= _account(place.get(name))
    refs = one.get("storage:refs", asset.get("storage:refs"))
    known = schemes if isinstance(schemes, dict) else {}
    for ref in refs if isinstance(refs, list) else ():
        if isinstance(ref, str) and isinstance(known.get(ref), dict):
            return {**found, **known[ref]}
    return found


def _account(options: Any) -> JsonObject:
    """The account in the options for fsspec that a table or a cube has."""
    named = options.get("account_name") if isinstance(options, dict) else None
    return {"account": named} if named else {}


def _store_url(href: str, about: JsonObject, endpoints: StoreEndpoints) -> str:
    """The URL of an object; "" for an address that names none."""
    account, region = (str(about.get(name) or "") for name in ("account", "region"))
    try:
        address = urls.store_address(href, account, region)
        endpoint = endpoints.of(address.service)
        if not endpoint and about.get("type") == "custom-s3":
            return _by_template(str(about.get("platform") or ""), address, about)
        return address.url(endpoint)
    except TransferError:
        return ""


def _by_template(template: str, address: urls.StoreAddress, about: JsonObject) -> str:
    """The URL at an endpoint that a catalogue names, as a URI template with `{bucket}` and `{region}`."""
    has_bucket = "{bucket}" in template
    root = template.replace("{bucket}", address.bucket).replace("{region}", str(about.get("region") or ""))
    root = urls.parse(root).rstrip("/")
    return f"{root}/{urls.quoted_key(address.key)}" if has_bucket else address.url(root)
