"""The shards in DEST and their receipts: whether all are there, of one listing, and at their end."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ....core.errors import CatalogError, UsageError
from ....core.json_text import dumps, loads
from ....core.urls import term_safe
from ....storage.layout import RECEIPT_FILE, SHARDS_DIR, STATE_DIR, WRITE_AHEAD_LOG_FILES
from ...placement.shards import Shard

ENDED = (0, 4, 9)
"""Exit codes of a shard that another run would not bring further."""
_name = re.compile(r"([1-9]\d{0,8})-of-([1-9]\d{0,8})", re.ASCII).fullmatch
_OF_LISTING = ("listed", "listing", "base", "source_root")


class FoundShard(NamedTuple):
    """One shard, its state directory, and its receipt."""

    shard: Shard
    state: Path
    receipt: dict[str, Any]


def all_shards(dest: Path) -> list[FoundShard]:
    """Those in DEST, by number, if they are all shards of one listing.

    Raises `UsageError` where there are none, or of different mirrors; `CatalogError` (run again) where one is
    missing or has not come to its end, or where they saw different listings.
    """
    shards = _named(dest)
    counts = {shard.of_all for shard, _ in shards}
    if len(counts) != 1:
        shown = ", ".join(f"N={count}" for count in sorted(counts))
        folder = dest / STATE_DIR / SHARDS_DIR
        raise UsageError(
            f"{folder} has shards of different numbers ({shown}): remove the folders of those that do not "
            "belong to the others"
        )
    count = counts.pop()
    found = [FoundShard(shard, state, _receipt(state)) for shard, state in sorted(shards)]
    missing = sorted(set(range(1, count + 1)) - {shard.number for shard, _ in shards})
    if missing:
        there = f"of {_source(found[0])} there are {len(found)} of {count} in {found[0].state.parent}"
        raise _unfinished([f"shard {number}/{count} is missing" for number in missing], there)
    if unfinished := [
        f"shard {one.shard} {why} ({one.state})" for one in found if (why := _why_unfinished(one))
    ]:
        raise _unfinished(unfinished, f"SOURCE is {_source(found[0])}")
    _refuse_differences(found)
    return found


def _named(dest: Path) -> list[tuple[Shard, Path]]:
    folder = dest / STATE_DIR / SHARDS_DIR
    paths = [*folder.iterdir()] if folder.is_dir() else []
    named = [(found, path) for path in paths if (found := _name(path.name)) and path.is_dir()]
    shards = [(Shard(int(found[1]), int(found[2])), path) for found, path in named]
    if not shards:
        raise UsageError(f"{dest} has no shards: they are made by mlhub-async mirror SOURCE DEST --shard K/N")
    return shards


def _receipt(state: Path) -> dict[str, Any]:
    try:
        receipt = loads((state / RECEIPT_FILE).read_bytes())
    except (OSError, ValueError):
        return {}
    return receipt if isinstance(receipt, dict) and isinstance(receipt.get("shard"), dict) else {}


def _why_unfinished(one: FoundShard) -> str:
    if not one.receipt:
        return "has no receipt"
    if (code := one.receipt.get("exit_code")) not in ENDED:
        return f"ended with exit code {term_safe(str(code))}"
    logs = [one.state / name for name in WRITE_AHEAD_LOG_FILES]
    if any(log.exists() and log.stat().st_size for log in logs):
        return "was killed after its last receipt"
    return ""


def _unfinished(reasons: Sequence[str], about: str) -> CatalogError:
    more = f" (and {len(reasons) - 3} more)" if len(reasons) > 3 else ""
    return CatalogError(
        f"not joined: {'; '.join(reasons[:3])}{more}: run them again; {about}", kind="unfinished-shard"
    )


def _source(one: FoundShard) -> str:
    return term_safe(str(one.receipt.get("source", "an unknown SOURCE")), 300)


def _told(one: FoundShard, name: str) -> str:
    """A member of the receipt of a shard, and whose it is."""
    value = one.receipt.get(name)
    text = _source(one) if name == "source" else term_safe(dumps(value).decode(), 300)
    return f"{text} in {one.state}"


def _refuse_differences(found: Sequence[FoundShard]) -> None:
    first = found[0]
    for one in found[1:]:
        for name in ("source", "selection"):
            if one.receipt.get(name) != first.receipt.get(name):
                raise UsageError(
                    f"not joined: shard {one.shard} has another {name} than shard {first.shard} "
                    f"({_told(one, name)}, {_told(first, name)}): run it again with that of the others, or "
                    "remove its folder"
                )
        if any(one.receipt["shard"].get(name) != first.receipt["shard"].get(name) for name in _OF_LISTING):
            raise CatalogError(
                f"not joined: shard {one.shard} ({one.state}) listed other items than shard {first.shard} "
                f"({first.state}): the catalogue {_source(one)} has changed; run all of them again, best "
                "from one list of plan --save",
                kind="unfinished-shard",
            )
    items = sum(one.receipt["shard"].get("items", 0) for one in found)
    if items != first.receipt["shard"].get("listed"):
        raise CatalogError(
            f"not joined: the shards in {first.state.parent} have {items} items in all, of "
            f"{first.receipt['shard'].get('listed')} that {_source(first)} lists: run all of them again",
            kind="unfinished-shard",
        )
