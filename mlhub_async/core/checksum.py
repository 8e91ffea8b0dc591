"""Reads and writes digests: multihash (STAC file:checksum), bare hexadecimal, HTTP header fields.

Algorithms have the names of hashlib ("md5", "sha256", "sha3_512"). That of a BLAKE2 includes its size in
bytes, as a different size is a different function: "blake2b-32", "blake2s-16". So does that of a blob of git,
whose digest begins with the size of the content: "gitblob-1234".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import BinaryIO, Protocol

from . import pattern_on_use
from .model import Checksum

MIN_DIGEST_BYTES = 16
"""A digest that is truncated to fewer bytes is not used."""
UNUSABLE = Checksum("", b"")
READ_BYTES = 512 << 10

_ALGORITHMS = {
    0x11: "sha1",
    0x12: "sha256",
    0x13: "sha512",
    0x14: "sha3_512",
    0x15: "sha3_384",
    0x16: "sha3_256",
    0x17: "sha3_224",
    0x20: "sha384",
    0xD5: "md5",
    0x1013: "sha224",
    **{0xB200 + size: f"blake2b-{size}" for size in range(1, 65)},
    **{0xB240 + size: f"blake2s-{size}" for size in range(1, 33)},
}
"""By their multihash code: https://github.com/multiformats/multicodec/blob/master/table.csv"""
_CODES = {name: code for code, name in _ALGORITHMS.items()}
_ALGORITHM_OF_SIZE = {16: "md5", 20: "sha1", 32: "sha256", 64: "sha512"}
_LABELLED_ALGORITHMS = {"md5", "sha1", "sha224", "sha256", "sha384", "sha512"}
GIT_BLOB = "gitblob"
"""SHA-1 of "blob SIZE", a null byte and the content: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects"""
_SHA256_MULTIHASH = pattern_on_use(r"1220([0-9a-f]{64})", re.ASCII)
_HEX = pattern_on_use(r"(?:[0-9A-Fa-f]{2})+", re.ASCII)
_DIGESTS = pattern_on_use(r"(?<![a-z0-9-])([a-z0-9-]+)=:([A-Za-z0-9+/]*={0,2}):", re.ASCII)
_GIT_BLOB = pattern_on_use(rf"{GIT_BLOB}-\d{{1,18}}:[0-9a-f]{{40}}", re.ASCII)
_INSTANCE_DIGESTS = pattern_on_use(
    r"(?<![A-Za-z0-9-])([A-Za-z0-9-]+)=([A-Za-z0-9+/]+={0,2})(?=\s*(?:,|$))", re.ASCII
)
_GOOG_MD5 = pattern_on_use(r"(?:^|,)\s*md5=([A-Za-z0-9+/]+={0,2})\s*(?:,|$)", re.ASCII)


class Hasher(Protocol):
    """The interface of hash objects of hashlib."""

    def update(self, data: bytes | bytearray | memoryview, /) -> None: ...

    def digest(self) -> bytes: ...

    def copy(self) -> Hasher: ...


def parse(text: object) -> Checksum | None:
    """The checksum that a catalogue publishes, None if it publishes none (`text` is None).

    Accepted are a multihash in hexadecimal, "algorithm:hex", and a bare digest whose length tells the
    algorithm. Anything else gives `UNUSABLE`: with that a file is neither refused nor counted as checked.
    """
    if text is None:
        return None
    if not isinstance(text, str) or len(text) > 1000:
        return UNUSABLE
    if found := _SHA256_MULTIHASH.fullmatch(text):
        return Checksum("sha256", bytes.fromhex(found[1]))
    label, colon, digits = text.strip().strip('"').rpartition(":")
    if label.startswith(GIT_BLOB):
        return Checksum(label, bytes.fromhex(digits)) if _GIT_BLOB.fullmatch(text) else UNUSABLE
    if not _HEX.fullmatch(digits):
        return UNUSABLE
    digest = bytes.fromhex(digits)
    if colon:
        return _parse_labelled(label, digest)
    return _parse_multihash(digest) or _parse_bare(digest)


def git_blob(digits: object, size: int | None) -> str:
    """The checksum, for `parse`, of a content of `size` bytes by the id that git gives to it."""
    return f"{GIT_BLOB}-{size}:{digits}"


def _parse_labelled(label: str, digest: bytes) -> Checksum:
    algorithm = label.strip().lower().replace("sha2-", "sha").replace("-", "")
    known = algorithm in _LABELLED_ALGORITHMS and len(digest) == _size(algorithm)
    return Checksum(algorithm, digest) if known else UNUSABLE


def _parse_bare(digest: bytes) -> Checksum:
    algorithm = _ALGORITHM_OF_SIZE.get(len(digest))
    return Checksum(algorithm, digest) if algorithm else UNUSABLE


def _parse_multihash(data: bytes) -> Checksum | None:
    """The multihash: code and length as varints, then the digest. None if it is no multihash of a known code.

    One bare SHA-1 in ten thousand has the form of a multihash truncated to 18 bytes; bare MD5, SHA-256 and
    SHA-512 digests have the same ambiguity. Such a value is `UNUSABLE`: a valid file must not be refused.
    """
    code, start = _read_varint(data, 0)
    length, start = _read_varint(data, start)
    algorithm, digest = _ALGORITHMS.get(code, ""), data[start:]
    if not algorithm or len(digest) != length or not MIN_DIGEST_BYTES <= length <= _size(algorithm):
        return None
    ambiguous = len(data) in _ALGORITHM_OF_SIZE and start == 2
    return UNUSABLE if ambiguous else Checksum(algorithm, digest)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The unsigned varint at offset `at`, and the offset behind it; -1 if it is absent or not minimal."""
    value = 0
    for offset, byte in enumerate(data[at : at + 9]):
        value |= (byte & 0x7F) << 7 * offset
        if byte < 0x80:
            return (value if byte or not offset else -1), at + offset + 1
    return -1, len(data)


def _varint(number: int) -> bytes:
    groups = []
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*groups, number])


def multihash(algorithm: str, digest: bytes) -> str:
    """The digest in the form of STAC's file:checksum: a multihash in lower-case hexadecimal."""
    return (_varint(_CODES[algorithm]) + _varint(len(digest)) + digest).hex()


def hasher(algorithm: str) -> Hasher:
    """A new hash object. Raises KeyError for a name that is not one of this module."""
    if algorithm == "sha256":
        return hashlib.sha256(usedforsecurity=False)
    name, _, size = algorithm.partition("-")
    if name == GIT_BLOB:
        return hashlib.sha1(b"blob %d\0" % int(size), usedforsecurity=False)
    if algorithm not in _CODES:
        raise KeyError(algorithm)
    if name == "blake2b":
        return hashlib.blake2b(digest_size=int(size), usedforsecurity=False)
    if name == "blake2s":
        return hashlib.blake2s(digest_size=int(size), usedforsecurity=False)
    return hashlib.new(name, usedforsecurity=False)


def file_digest(file: BinaryIO, algorithm: str) -> bytes:
    """The digest of an open file from its present position on. The caller closes it."""
    digest = hasher(algorithm)
    while piece := file.read(READ_BYTES):
        digest.update(piece)
    return digest.digest()


@lru_cache(maxsize=256)
def _size(algorithm: str) -> int:
    """Bytes of a full digest."""
    name, _, size = algorithm.partition("-")
    if name == GIT_BLOB:
        return hashlib.sha1(usedforsecurity=False).digest_size
    return int(size) if size else hashlib.new(name, usedforsecurity=False).digest_size


def matches(checksum: Checksum, full_digest: bytes) -> bool:
    """Whether a full digest, by the algorithm of the checksum, begins with the published one."""
    known = checksum.digest
    return checksum.usable and len(known) >= MIN_DIGEST_BYTES and full_digest[: len(known)] == known


DIGEST_LIST_FIELDS = frozenset({"repr-digest", "content-digest", "digest", "x-goog-hash"})
LIST_FIELDS = DIGEST_LIST_FIELDS | {"link"}
"""Header fields that are lists. Several lines of one are one list (RFC 9110 section 5.3)."""
DIGEST_FIELDS = DIGEST_LIST_FIELDS | {
    "x-amz-checksum-sha256",
    "x-amz-checksum-sha1",
    "content-md5",
    "x-ms-blob-content-md5",
}
"""Header fields that `from_headers` reads: those of RFC 9530 and RFC 3230, and those of object stores."""


def from_headers(headers: Mapping[str, str]) -> Checksum | None:
    """The digest of the complete file in the header of a response, None if it has none.

    `headers` are by lower-case name, of a 200 response without Content-Encoding. Not of a 206: its
    Content-MD5 may be that of the range.
    """
    return None if DIGEST_FIELDS.isdisjoint(headers) else next(_usable_digests(headers), None)


def _usable_digests(headers: Mapping[str, str]) -> Iterator[Checksum]:
    digests = {
        **{name.lower(): text for name, text in _INSTANCE_DIGESTS.findall(headers.get("digest", ""))},
        **dict(_DIGESTS.findall(headers.get("content-digest", ""))),
        **dict(_DIGESTS.findall(headers.get("repr-digest", ""))),
    }
    composite = headers.get("x-amz-checksum-type", "").upper() == "COMPOSITE"
    stored = headers.get("x-goog-stored-content-encoding", "identity") == "identity"
    goog = _GOOG_MD5.search(headers.get("x-goog-hash", "")) if stored else None
    candidates = (
        ("sha256", digests.get("sha-256")),
        ("sha256", None if composite else headers.get("x-amz-checksum-sha256")),
        ("sha512", digests.get("sha-512")),
        ("sha1", None if composite else headers.get("x-amz-checksum-sha1")),
        ("md5", digests.get("md5")),
        ("md5", headers.get("content-md5")),
        ("md5", headers.get("x-ms-blob-content-md5")),
        ("md5", goog[1] if goog else None),
    )
    for algorithm, text in candidates:
        if text and (digest := _base64(text)) and len(digest) == _size(algorithm):
            yield Checksum(algorithm, digest)


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        return b""


class CountedPieces:
    """The pieces of a document, with the size and the SHA-256 of those that were taken."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces
        self._sha256 = hashlib.sha256()
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            self._sha256.update(piece)
            self.size += len(piece)
            yield piece

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()
