"""Hides what the documents beside the files still tell of them when the ledger is lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import orjson

from ...core import checksum
from ...core.model import Asset, FileState, JsonObject, Proof, Record
from .claims import Claim, ClaimResult


@dataclass(frozen=True, slots=True)
class DocumentRecords:
    """DEST as it is found. `found`: size and mtime (ns) of the file at a path, None if there is none.

    `document`: reads what an earlier run wrote, where the ledger does not know of that run any more.
    """

    is_as_recorded: Callable[[Record], Awaitable[bool]]
    found: Callable[[str], Awaitable[FileState | None]]
    document: Callable[[str], Awaitable[bytes | None]] | None = None

    async def known(self, claimed: ClaimResult, body: JsonObject) -> list[Claim]:
        """The claims of an item or collection, with all that is known of their files.

        What only a document tells is a hint: such a file stays if its bytes are those it tells of. Where
        the catalogue describes the item otherwise by now, they are asked for again.
        """
        if self.document is None or (document := await self.document(claimed.path)) is None:
            return claimed.claims
        return await self._recalled(claimed.claims, body, _read(document))

    async def _recalled(self, claims: list[Claim], body: JsonObject, written: JsonObject) -> list[Claim]:
        same = all(written.get(name) == body.get(name) for name in ("id", "properties"))
        assets, recalled = written.get("assets"), []
        for claim in claims:
            told = assets.get(claim.asset.key) if same and isinstance(assets, dict) else None
            record = await self._record(claim, told) if isinstance(told, dict) else None
            recalled.append(
                claim if record is None else claim._replace(known=record, current=True, unsure=True)
            )
        return recalled

    async def _record(self, claim: Claim, told: JsonObject) -> Record | None:
        found, published = await self.found(claim.path), checksum.parse(told.get("file:checksum"))
        if found is None or found.size != told.get("file:size") or published is None:
            return None
        if published.algorithm != "sha256" or len(published.digest) != 32:
            return None
        sha256, proof = published.digest, _proof(claim.asset, found.size, published.digest)
        return Record(claim.path, found.size, sha256.hex(), found.mtime_ns, proof)


def _read(document: bytes) -> JsonObject:
    try:
        found = orjson.loads(document)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _proof(asset: Asset, size: int, sha256: bytes) -> Proof:
    """What the catalogue says for such bytes; what the server said when they came is forgotten."""
    if asset.checksum is not None:
        same = asset.checksum.algorithm == "sha256" and asset.checksum.digest == sha256
        return Proof.CHECKSUM if same else Proof.NONE
    return Proof.SIZE if asset.size == size else Proof.NONE
