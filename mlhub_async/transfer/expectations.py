"""What catalogue and server promise of one body, and whether the bytes that came keep it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..core import checksum, formats
from ..core.errors import Corrupt, TransferError
from ..core.formats.kinds import may_be_empty
from ..core.formats.sniffing import SNIFF_BYTES, unexpected_markup, wrong_content_error
from ..core.model import Asset, Checksum, Head, Job, Proof
from ..core.ports import BodyWriter, Buffer
from ..core.urls import redacted, suffix


@dataclass(frozen=True, slots=True)
class Checks:
    """What a file has to pass before it gets its final name, beside its size (`--verify`).

    --verify    published digest    structure                          recorded files
    auto        compared            where nothing else is published    stay unread
    size        not compared        where nothing else is published    stay unread
    checksum    compared            where nothing else is published    are read again
    deep        compared            always                             are read again
    """

    digests: bool = True
    """the digests that catalogue and server publish are compared"""
    structure: bool = False
    """the structure of a format is checked even where size or digest prove the file"""
    rereads: bool = False
    """a file of an earlier run is read, to compare it with its recorded digest"""

    @classmethod
    def of(cls, verify: str) -> Checks:
        return cls(verify != "size", verify == "deep", verify in ("checksum", "deep"))

    @property
    def digests_only(self) -> bool:
        """Whether digests are compared and nothing else is looked at: what the small-file path can do."""
        return self.digests and not self.structure


class Expectations:
    """Of an asset, and of the version of it that is on its way. What is not kept is raised or returned."""

    def __init__(self, job: Job, *, compares: bool) -> None:
        """`compares`: digests too, not sizes alone."""
        self.asset: Asset = job.asset
        self.published: Checksum | None = None
        """what the server says the digest is"""
        self.framed = True
        """something but the end of the connection says that a body is whole"""
        self._job = job
        self._compares = compares
        self._first = b""
        self._url = self._said = ""
        self._odd = b""

    def begin(self, head: Head) -> None:
        """This is the answer that brings the body from its first byte."""
        self._url, self._said = head.url, head.headers.get("content-type", "")
        self.framed = "content-length" in head.headers or "transfer-encoding" in head.headers

    @property
    def name(self) -> str:
        return redacted(self.asset.href)

    @property
    def _path(self) -> str:
        return self._job.path + suffix(self._url) if self._job.suffix_pending else self._job.path

    def _wanted(self) -> list[Checksum]:
        """The digests that will be compared in the end."""
        wanted = [self.asset.checksum, self.published] if self._compares else []
        return [one for one in wanted if one is not None and one.usable]

    def algorithms(self) -> list[str]:
        return [one.algorithm for one in self._wanted()]

    def check_size(self, total: int | None) -> None:
        if self.asset.size is not None and total is not None and total != self.asset.size:
            raise Corrupt(
                f"{self.name}: file:size says {self.asset.size} bytes, the server {total}",
                kind="size-mismatch",
            )

    def look_at(self, data: Buffer, offset: int) -> TransferError | None:
        """The error if the first bytes, to which `data` adds those at `offset`, are of something else."""
        if offset in (0, len(self._first)):  # else an earlier run has seen the first bytes
            self._first = self._first[:offset] + bytes(data[:SNIFF_BYTES])
            if len(self._first) >= SNIFF_BYTES:
                return self._wrong_content()
        return None

    def look_at_all(self, size: int) -> TransferError | None:
        """The same of a body that is whole and smaller than that."""
        return self._wrong_content() if 0 < size == len(self._first) < SNIFF_BYTES else None

    def _wrong_content(self) -> TransferError | None:
        """A login or error page under a 200 is not what was asked for."""
        found = unexpected_markup(self._first[:SNIFF_BYTES], self._path, self.asset.media_type, self._said)
        return wrong_content_error(self.name, found) if found else None

    def compare(self, digests: Mapping[str, bytes]) -> bool:
        """Raises `Corrupt` for another digest than promised; false where one that is needed was not made."""
        for wanted in self._wanted():
            if wanted.algorithm not in digests:
                return False
            if not checksum.matches(wanted, digests[wanted.algorithm]):
                words = f"{self.name}: the bytes do not match the published {wanted.algorithm}"
                raise Corrupt(words, kind="checksum-mismatch")
        return True

    def proven(self, size: int, total: int | None) -> Proof:
        """What is known of a body that was compared. Raises `Corrupt` for an empty one nobody spoke of."""
        proof = self.proof(Proof.SIZE if self._sized(total) else Proof.NONE)
        promised = size or self.asset.size == 0 or proof is Proof.CHECKSUM
        if not (promised or may_be_empty(self._path, self.asset.media_type)):
            raise Corrupt(f"{self.name}: the server sent no bytes at all", kind="empty")
        return proof

    def proof(self, weaker: Proof) -> Proof:
        """CHECKSUM where a digest was compared; NONE where one was published that we cannot compute."""
        declared = self.asset.checksum
        if not self._compares:
            return weaker
        if declared is not None:
            return Proof.CHECKSUM if declared.usable else Proof.NONE
        return Proof.CHECKSUM if self.published is not None and self.published.usable else weaker

    async def inspect(self, body: BodyWriter, digest: bytes, total: int | None, *, always: bool) -> None:
        """Check how the body is built inside: `always`, or where nothing else says that it is whole.

        Then it is a missing end that is looked for. What is odd in another way is what the server has,
        if its framing is whole or it came twice alike.
        """
        if not always and (self._sized(total) or self._wanted()):
            return
        path, media_type = self._path, self.asset.media_type
        if found := await body.inspect(lambda file: formats.flaw(file, path, media_type)):
            settled = self.framed or digest == self._odd
            if settled and not always and isinstance(found, formats.IntrinsicFlaw):
                return
            self._odd = digest
            raise Corrupt(f"{self.name}: {found}", kind="structure")

    def _sized(self, total: int | None) -> bool:
        return total is not None or self.asset.size is not None
