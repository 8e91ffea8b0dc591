"""What makes a small file ordinary: it needs no decision but whether it is as promised."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING

from ...core.checksum import DIGEST_FIELDS
from ...core.formats.directories import kind_of_directory
from ...core.formats.sniffing import SNIFF_BYTES, is_expected
from ...core.model import Asset, Job, Proof, Record
from ...http.validators import is_fresh, strong_validator

if TYPE_CHECKING:
    from ...core.ports import Buffer

_ODD_FIELDS = DIGEST_FIELDS | {"content-encoding", "content-range"}


def is_eligible(job: Job) -> bool:
    """Whether the small-file path can be tried: there is no earlier version, the path is final, and the asset
    is no directory and needs no authentication scheme that the catalogue names.

    Its digest, if one is published, must be the SHA-256 that is computed anyway.
    """
    asset = job.asset
    published = asset.checksum
    new = job.previous is None and not job.suffix_pending and not asset.auth
    is_file = new and not kind_of_directory(asset.href, asset.media_type)
    return is_file and (published is None or published.algorithm == "sha256")


def is_ordinary(fields: Mapping[str, str], length: int, asset: Asset, limit: float) -> bool:
    """Whether a 200 brings a whole body of a small length, as it is stored, with no digest beside it, and
    that it is not just being written."""
    known = asset.size == length or asset.checksum is not None or not is_fresh(fields)
    return 0 < length <= limit and asset.size in (None, length) and known and _ODD_FIELDS.isdisjoint(fields)


def checked(job: Job, fields: Mapping[str, str], body: Buffer) -> str:
    """The SHA-256 of a whole ordinary body, in hexadecimal digits; "" if anything is odd about it."""
    digest = sha256(body)
    sound = is_as_promised(job, fields, bytes(body[:SNIFF_BYTES]), digest.digest())
    return digest.hexdigest() if sound else ""


def is_as_promised(job: Job, fields: Mapping[str, str], first: bytes, digest: bytes) -> bool:
    """Whether a body with this SHA-256 has the one that is published, and is no text where no text can be."""
    asset = job.asset
    if asset.checksum is not None and asset.checksum.digest != digest:
        return False
    return is_expected(first, job.path, asset.media_type, fields.get("content-type", ""))


def record_of(job: Job, fields: Mapping[str, str], size: int, sha256: str, mtime_ns: int) -> Record:
    """The record of the file with such a body."""
    proof = Proof.SIZE if job.asset.checksum is None else Proof.CHECKSUM
    return Record(job.path, size, sha256, mtime_ns, proof, strong_validator(fields))
