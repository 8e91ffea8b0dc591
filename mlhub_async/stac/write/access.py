"""Fields that say how to open a file where the catalogue has it. They are wrong for its copy.

Those of the extensions storage, xarray-assets, table and authentication. What describes the content stays,
such as the engine and the chunks in `xarray:open_kwargs`.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Any

from ...core.model import JsonObject

_OPTIONS, _OPEN_KWARGS, _BACKEND = "storage_options", "xarray:open_kwargs", "backend_kwargs"
_OF_STORAGE = frozenset(
    f"storage:{name}" for name in ("platform", "region", "requester_pays", "tier", "schemes", "refs")
)
_OF_ASSETS = _OF_STORAGE | {"xarray:storage_options", "table:storage_options", "auth:refs"}
_MAY_CHANGE = _OF_ASSETS | {_OPEN_KWARGS}
_EXTENSIONS = {"storage:": "/storage/", "xarray:": "/xarray-assets/"}
"""By the prefix of their fields, a part of the URLs of extensions that may be left without any."""


def drop_access(body: JsonObject, local: Container[str]) -> None:
    """Remove such fields of the assets whose keys are in `local`: their files are in the mirror.

    What the document says for all assets goes if all of them are, and none has another place (`alternate`).
    Extensions of which no field is left are not declared any more.
    """
    assets = body.get("assets")
    if not isinstance(assets, dict) or not assets:
        return
    changed = {
        key: _without_access(asset)
        for key, asset in assets.items()
        if key in local and isinstance(asset, dict) and not _MAY_CHANGE.isdisjoint(asset)
    }
    if changed:
        body["assets"] = {**assets, **changed}
    dropped = _drop_common(body, local)
    if changed or dropped:
        _drop_unused_extensions(body)


def _without_access(asset: JsonObject) -> JsonObject:
    kept = {name: value for name, value in asset.items() if name not in _OF_ASSETS}
    if isinstance(options := kept.get(_OPEN_KWARGS), dict):
        kept[_OPEN_KWARGS] = _without_options(options)
    return kept


def _without_options(options: JsonObject) -> JsonObject:
    """Arguments of `xarray.open_dataset` without those of the file system, also where a backend gets them."""
    kept = {name: value for name, value in options.items() if name != _OPTIONS}
    if isinstance(backend := kept.get(_BACKEND), dict):
        kept[_BACKEND] = {name: value for name, value in backend.items() if name != _OPTIONS}
    return kept


def _drop_common(body: JsonObject, local: Container[str]) -> bool:
    properties = body.get("properties")
    places = [body, properties] if isinstance(properties, dict) else [body]
    if all(_OF_STORAGE.isdisjoint(place) for place in places):
        return False
    if not all(key in local for key in body["assets"]):
        return False
    if any("alternate" in asset for asset in body["assets"].values() if isinstance(asset, dict)):
        return False
    if isinstance(properties, dict):
        body["properties"] = {name: one for name, one in properties.items() if name not in _OF_STORAGE}
    for name in _OF_STORAGE.intersection(body):
        del body[name]
    return True


def _drop_unused_extensions(body: JsonObject) -> None:
    declared = body.get("stac_extensions")
    if not isinstance(declared, list):
        return
    names = set(_field_names(body))
    unused = [
        part
        for prefix, part in _EXTENSIONS.items()
        if not any(isinstance(name, str) and name.startswith(prefix) for name in names)
    ]
    body["stac_extensions"] = [
        one for one in declared if not (isinstance(one, str) and any(part in one for part in unused))
    ]


def _field_names(value: Any, levels: int = 5) -> Iterator[str]:
    """Names of fields down to those of the alternates of an asset."""
    if isinstance(value, dict):
        yield from value
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for child in children if levels else ():
        yield from _field_names(child, levels - 1)
