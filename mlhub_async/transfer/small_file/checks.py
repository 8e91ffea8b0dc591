"""What makes a small file ordinary: it needs no decision but whether it is as promised."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from io import BytesIO
from typing import TYPE_CHECKING

from ...core.checksum import DIGEST_FIELDS
from ...core.formats.directories import kind_of_directory
from ...core.formats.sniffing import SNIFF_BYTES, is_expected
from ...core.model import Asset, Job, Proof, Record
from ...http.validators import is_fresh, strong_validator
from ..expectations import content_path

if TYPE_CHECKING:
    from ...core.ports import Buffer

NO_FIELDS: Mapping[str, str] = {}
"""Those of a body that is of no response."""
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
    """Whether a 200 brings a whole body of a small length, as it is stored, with no digest beside it."""
    return 0 < length <= limit and asset.size in (None, length) and _ODD_FIELDS.isdisjoint(fields)


def checked(job: Job, fields: Mapping[str, str], body: Buffer) -> str:
    """The SHA-256 of a whole ordinary body, in hexadecimal digits; "" if anything is odd about it."""
    digest = sha256(body)
    sound = is_as_promised(job, fields, bytes(body[:SNIFF_BYTES]), digest.digest())
    sound = sound and not lacks_its_end(job, fields, body)
    return digest.hexdigest() if sound else ""


def is_as_promised(job: Job, fields: Mapping[str, str], first: bytes, digest: bytes) -> bool:
    """Whether a body with this SHA-256 has the one that is published, and is no text where no text can be."""
    asset = job.asset
    if asset.checksum is not None and asset.checksum.digest != digest:
        return False
    path = content_path(job.path, asset.href) if job.path.endswith("gz") else job.path
    return is_expected(first, path, asset.media_type, fields.get("content-type", ""))


def lacks_its_end(job: Job, fields: Mapping[str, str], body: Buffer) -> bool:
    """Whether a body that may be the beginning of a file which is being written is one, by its format.

    A size or a digest that is published tells that, and so does a file that was not modified just now.
    """
    asset = job.asset
    if asset.size is not None or asset.checksum is not None or not is_fresh(fields):
        return False
    from ...core.formats.structure import find_flaw

    return find_flaw(BytesIO(body), job.path, asset.media_type) is not None


def record_of(job: Job, fields: Mapping[str, str], size: int, sha256: str, mtime_ns: int) -> Record:
    """The record of the file with such a body."""
    return record_with(job, strong_validator(fields), size, sha256, mtime_ns)


def record_with(job: Job, validator: str, size: int, sha256: str, mtime_ns: int) -> Record:
    """The same for a body whose strong validator is known."""
    proof = Proof.SIZE if job.asset.checksum is None else Proof.CHECKSUM
    return Record(job.path, size, sha256, mtime_ns, proof, validator)
