"""What a body must be: the size, digest, content type and structure that catalogue and server promise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from ..core import checksum, formats
from ..core.errors import Corrupt, TransferError, Transient
from ..core.formats.directories import Answer, directory_error, listed_instead
from ..core.formats.kinds import may_be_empty
from ..core.formats.sniffing import (
    SNIFF_BYTES,
    is_undecided,
    placeholder,
    unexpected_text,
    wrong_content_error,
)
from ..core.model import Asset, Checksum, Head, Job, Proof
from ..core.urls import filename, redacted, suffix
from ..http.status import TRANSFORMED
from ..http.validators import is_fresh

if TYPE_CHECKING:
    from ..core.ports import BodyWriter, Buffer


def content_path(path: str, href: str) -> str:
    """The path that tells what the content of a file may be. The URL of a compressed one names what is
    within, while the file at `path` may have the last suffix alone."""
    if not path.endswith("gz"):
        return path
    name = filename(href)
    return name if name.endswith("gz") else path


class Checks(NamedTuple):
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
    """What is promised for one asset, and for the version of it that is being received.

    A promise that is not kept is raised as an error or returned as one, as each method says.
    """

    def __init__(self, job: Job, *, digests: bool) -> None:
        """`digests`: published digests are compared, not sizes alone."""
        self.asset: Asset = job.asset
        """may be replaced by one with a present href"""
        self.published: Checksum | None = None
        """the digest that the server publishes"""
        self._framed = True
        """the framing says where the body ends, not the end of the connection alone"""
        self._is_fresh = False
        """the file may be written at present, and the length be that of its beginning"""
        self._changed_on_the_way = False
        """a proxy may have changed the body: no length proves it"""
        self._job = job
        self._digests = digests
        self._first = b""
        self._url = self._content_type = ""
        self._odd_digest = b""
        self.lengths_are_doubtful = False
        """an earlier body was broken by its format: a cache may give its length for that of the whole now"""
        self.undecided = False
        """a text came first, which only the rest of the body may show to be the format's"""

    def begin(self, head: Head) -> None:
        """Note the answer that brings the body from its first byte on."""
        self._url, self._content_type = head.url, head.headers.get("content-type", "")
        self._changed_on_the_way = head.status == TRANSFORMED
        self._is_fresh = self.asset.size is None and is_fresh(head.headers)
        self._framed = "content-length" in head.headers or "transfer-encoding" in head.headers

    @property
    def name(self) -> str:
        """The asset's URL for messages, without secrets."""
        return redacted(self.asset.href)

    @property
    def _path(self) -> str:
        return self._job.path + suffix(self._url) if self._job.suffix_pending else self._job.path

    def _comparable(self) -> list[Checksum]:
        """The digests that will be compared in the end."""
        published = [self.asset.checksum, self.published] if self._digests else []
        return [one for one in published if one is not None and one.usable]

    @property
    def needs_its_format(self) -> bool:
        """Whether a length does not prove the body: a text came first, the file may still be written, or an
        earlier body of the asset was broken."""
        return self.undecided or self._is_fresh or self.lengths_are_doubtful

    def algorithms(self) -> list[str]:
        """The algorithms of the digests that `compare` needs."""
        return [one.algorithm for one in self._comparable()]

    def check_size(self, total: int | None) -> None:
        """Raises `Corrupt` where the size, in bytes, is not the one in the catalogue."""
        if self.asset.size is not None and total is not None and total != self.asset.size:
            raise Corrupt(
                f"{self.name}: file:size says {self.asset.size} bytes, the server {total}",
                kind="size-mismatch",
            )

    def check_received(self, size: int, total: int | None) -> None:
        """The same for the size of a body that has ended; `total`: what the server said of it, if anything.

        Raises `Transient` for a body that is too short where only the end of the connection ended it.
        """
        if not self._framed and total is None and size < (self.asset.size or 0):
            raise Transient(f"{self.name}: {size} of {self.asset.size} bytes came", kind="truncated", tries=3)
        self.check_size(size)

    def check_first(self, data: Buffer, offset: int) -> TransferError | None:
        """The error if the first bytes, with `data` at `offset`, are those of an error page or the like."""
        if offset in (0, len(self._first)):  # else an earlier run has seen the first bytes
            self._first = self._first[:offset] + bytes(data[:SNIFF_BYTES])
            if len(self._first) >= SNIFF_BYTES:
                first = self._first[:SNIFF_BYTES]
                self.undecided = is_undecided(first, self._path, self.asset.media_type)
                return self._wrong_content()
        return None

    def check_short(self, size: int) -> TransferError | None:
        """The same for a whole body of `size` bytes that was too short for `check_first`."""
        return self._wrong_content() if 0 < size == len(self._first) < SNIFF_BYTES else None

    def _wrong_content(self) -> TransferError | None:
        if (error := self._listed_instead()) is not None:
            return error
        path = content_path(self._path, self.asset.href)
        about = (self._first[:SNIFF_BYTES], path, self.asset.media_type, self._content_type)
        found = unexpected_text(*about)
        is_published = self.asset.size is not None or self.asset.checksum is not None
        if not found and not is_published:
            found = placeholder(*about)
        elif found and is_published and not unexpected_text(*about[:3]):
            found = ""  # by the Content-Type alone
        place = redacted(self._url)
        return wrong_content_error(self.name, found, "" if place == self.name else place) if found else None

    def _listed_instead(self) -> TransferError | None:
        """The error if the asset is a directory, and this is what a server sends in its place."""
        href, media_type = self.asset.href, self.asset.media_type
        answer = Answer(self._first[:SNIFF_BYTES], self._url, self._content_type)
        found = listed_instead(answer, href, media_type, self._path)
        return directory_error(self.name, self.asset.key, href, media_type, found) if found else None

    def compare(self, digests: Mapping[str, bytes]) -> bool:
        """Raises `Corrupt` for a digest that differs; false where one that is needed was not computed."""
        for published in self._comparable():
            if published.algorithm not in digests:
                return False
            if not checksum.matches(published, digests[published.algorithm]):
                words = f"{self.name}: the bytes do not match the published {published.algorithm}"
                raise Corrupt(words, kind="checksum-mismatch")
        return True

    def check_whole(self, size: int, total: int | None) -> Proof:
        """How far a body is proven, once its digests were compared.

        Raises `Corrupt` for an empty body that neither catalogue nor format allows for.
        """
        if not size and self.asset.size is None and (error := self._listed_instead()) is not None:
            raise error
        proof = self.proof(Proof.SIZE if self._sized(total) else Proof.NONE)
        promised = size or self.asset.size == 0 or proof is Proof.CHECKSUM
        if not (promised or may_be_empty(self._path, self.asset.media_type)):
            raise Corrupt(f"{self.name}: the server sent no bytes at all", kind="empty")
        return proof

    def proof(self, otherwise: Proof) -> Proof:
        """CHECKSUM where a digest was compared, NONE where one is published in an unknown algorithm."""
        declared = self.asset.checksum
        if not self._digests:
            return otherwise
        if declared is not None:
            return Proof.CHECKSUM if declared.usable else Proof.NONE
        return Proof.CHECKSUM if self.published is not None and self.published.usable else otherwise

    async def check_structure(
        self, body: BodyWriter, sha256: bytes, total: int | None, *, always: bool
    ) -> None:
        """Check the structure of the format: `always`, where a text came first, or where neither size nor
        digest is published.

        In the last case a missing end is looked for, also of a file that was modified just now, whose size is
        that of the moment: then it raises `Transient`, as the rest may come. A file that is odd in another
        way is taken for what the server has, if the framing proves it whole or if it came twice alike
        (`sha256`). Raises `Corrupt`.
        """
        sized = self._sized(total) and not (self._is_fresh or self.lengths_are_doubtful)
        if not (always or self.undecided) and (sized or self._comparable()):
            return
        path, media_type = self._path, self.asset.media_type
        if found := await body.inspect(lambda file: formats.flaw(file, path, media_type)):
            whole = self._framed or sha256 == self._odd_digest
            if whole and not (always or self.undecided) and isinstance(found, formats.IntrinsicFlaw):
                return
            self._odd_digest = sha256
            if self._is_fresh:
                words = f"{self.name}: {found}; it was modified just now, and may still be written"
                raise Transient(words, kind="structure", tries=3)
            raise Corrupt(f"{self.name}: {found}", kind="structure")

    def _sized(self, total: int | None) -> bool:
        return not self._changed_on_the_way and (total is not None or self.asset.size is not None)
