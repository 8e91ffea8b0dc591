"""Recovers records: from the mirrored documents when the ledger was lost, of files with another mtime."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from ...core import checksum
from ...core.errors import TransferError
from ...core.json_text import parse_json
from ...core.model import Asset, FileState, JsonObject, Proof, Record
from .claims.assignment import Claim, ClaimResult


class IsAsRecorded(Protocol):
    """See `ports.Store.is_as_recorded`."""

    async def __call__(self, record: Record, *, by_content: bool = False) -> bool: ...


@dataclass(slots=True, eq=False, repr=False)
class DocumentRecords:
    """Reads DEST by functions of the store. `document` is None where the ledger was not lost."""

    is_as_recorded: IsAsRecorded
    stat: Callable[[str], Awaitable[FileState | None]]
    document: Callable[[str], Awaitable[bytes | None]] | None = None

    async def claims_with_records(self, claimed: ClaimResult, body: JsonObject) -> list[Claim]:
        """The claims of an item or collection, with the records that its document on disk gives.

        `body` is the present one, with the fields that are added to documents.

        Such a record is `unsure`: the file stays if its bytes have that digest. It is not used if the
        catalogue has changed its description of the item. The same holds for a file of the ledger with
        another mtime: a copy of a mirror, or a file system of whole seconds, has the same bytes.
        """
        if any([claim.unsure for claim in claimed.claims]):
            claims = [await self._touched(one) if one.unsure else one for one in claimed.claims]
            claimed = claimed._replace(claims=claims)
        if self.document is None or (document := await self.document(claimed.path)) is None:
            return claimed.claims
        return await self._with_records(claimed.claims, body, _read(document))

    async def unselected(self, claimed: ClaimResult) -> dict[str, Record]:
        """The files of an item's assets that are not selected, by key: of each all, as recorded, or none."""
        found: dict[str, Record] = {}
        for files in claimed.unselected:
            if all([await self._has_bytes_of(record) for record in files.values()]):
                found.update(files)
        return found

    async def _has_bytes_of(self, record: Record) -> bool:
        try:
            return await self.is_as_recorded(record) or await self.is_as_recorded(record, by_content=True)
        except TransferError:
            return False

    async def _touched(self, claim: Claim) -> Claim:
        """The claim with the present mtime of its file, or without a record: it has another size."""
        known, found = claim.known, await self.stat(claim.path)
        if known is None or found is None or found.size != known.size or not (known.sha256 and claim.current):
            return claim._replace(known=None, current=False, unsure=False)
        return claim._replace(known=known._replace(mtime_ns=found.mtime_ns), touched=True)

    async def _with_records(self, claims: list[Claim], body: JsonObject, written: JsonObject) -> list[Claim]:
        same = _description(written) == _description(body)
        assets, found = written.get("assets"), []
        for claim in claims:
            described = assets.get(claim.asset.key) if same and isinstance(assets, dict) else None
            record = await self._record(claim, described) if isinstance(described, dict) else None
            found.append(claim if record is None else claim._replace(known=record, current=True, unsure=True))
        return found

    async def _record(self, claim: Claim, described: JsonObject) -> Record | None:
        found, published = await self.stat(claim.path), checksum.parse(described.get("file:checksum"))
        if found is None or found.size != described.get("file:size") or published is None:
            return None
        if published.algorithm != "sha256" or len(published.digest) != 32:
            return None
        sha256, proof = published.digest, _proof(claim.asset, found.size, published.digest)
        return Record(claim.path, found.size, sha256.hex(), found.mtime_ns, proof)


def _description(body: JsonObject) -> tuple[object, object]:
    """What a document says about its item; where the files are is not the same in the mirror."""
    properties = body.get("properties")
    if isinstance(properties, dict):
        properties = {name: one for name, one in properties.items() if not name.startswith("storage:")}
    return body.get("id"), properties


def _read(document: bytes) -> JsonObject:
    try:
        found = parse_json(document)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _proof(asset: Asset, size: int, sha256: bytes) -> Proof:
    """How the catalogue proves such bytes; what the server announced for them is lost."""
    if asset.checksum is not None:
        same = asset.checksum.algorithm == "sha256" and asset.checksum.digest == sha256
        return Proof.CHECKSUM if same else Proof.NONE
    return Proof.SIZE if asset.size == size else Proof.NONE
