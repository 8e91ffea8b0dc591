"""A file that a reference has, and what makes it the file that an asset is."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from ....core.checksum import matches
from ....core.errors import Corrupt
from ....core.model import Asset, Job, Proof, Record
from ....core.ports import BodyWriter
from ....core.urls import canonical, parse
from ....stac.objects import is_version


class FoundFile(NamedTuple):
    """`size` (bytes) and `sha256` are None and "" where the reference does not say them.

    `path` is where it is in the reference. `url` is where the reference got it from, as `urls.canonical`
    writes it, and `validator` that of the response; both "" where the asset may be at another URL. `proof` is
    how the reference had verified the file.
    """

    path: str
    size: int | None = None
    sha256: str = ""
    validator: str = ""
    url: str = ""
    proof: Proof = Proof.NONE

    def is_promised(self, asset: Asset) -> bool:
        """Whether what the catalogue publishes of the asset decides if these bytes are its: no request is
        needed. That is a digest, or the validator that a listing has of it."""
        published = asset.checksum
        if published is not None and published.usable:
            return True
        same = asset.size == self.size and bool(self.sha256) and is_version(asset, self.validator)
        return same and self.url == canonical(parse(asset.href))

    @property
    def can_be_confirmed(self) -> bool:
        """Whether the origin can be asked if this is its present version: by a strong ETag."""
        return self.validator.startswith('"') and bool(self.sha256) and self.size is not None

    def record(self, job: Job) -> Record:
        """The record that a file with this version has, for a conditional request."""
        assert self.size is not None
        return Record(job.path, self.size, self.sha256, 0, self.proof, self.validator)

    def check(self, asset: Asset, size: int, digests: dict[str, bytes], name: str) -> None:
        """Raises `Corrupt` where a whole body is not as recorded and published. `name` is that of the
        reference."""
        published = asset.checksum
        wrong = asset.size not in (None, size) or self.size not in (None, size)
        if wrong or (self.sha256 and digests["sha256"] != bytes.fromhex(self.sha256)):
            raise Corrupt(f"{name} sent other bytes of {self.path} than it recorded", kind="wrong-bytes")
        if (
            published is not None
            and published.usable
            and not matches(published, digests[published.algorithm])
        ):
            raise Corrupt(f"{name} has other bytes of {self.path} than are published", kind="wrong-bytes")


class Reference(Protocol):
    """One other mirror. Raises `TransferError` for what is wrong with it; whoever has it closes it."""

    @property
    def name(self) -> str:
        """Its directory or address, without secrets."""

    async def find(self, job: Job) -> FoundFile | None:
        """The file of an asset there, None if it has none."""

    async def fill(self, found: FoundFile, job: Job, body: BodyWriter, algorithms: list[str]) -> int:
        """Write all bytes of a file into an empty body, for these digests. Returns how many came over the
        network."""

    def give_up(self) -> None:
        """Ask it for nothing more; what waits for it fails."""

    def close(self) -> None: ...
