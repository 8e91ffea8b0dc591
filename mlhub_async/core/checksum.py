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
_LABELLED = pattern_on_use(
    r"(md5|sha)-?(?:2-)?(|1|224|256|384|512)\s*[:=-]\s*([A-Za-z0-9+/_-]+={0,2})", re.ASCII | re.IGNORECASE
)
"""As "sha256:HEX", and as "sha256-BASE64" of Subresource Integrity and of container images."""
_BASES = {"b": 32, "B": 32, "m": 64, "M": 64, "u": 64, "U": 64, "f": 16, "F": 16, "z": 58}
"""By their prefixes: https://github.com/multiformats/multibase"""
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
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

    Accepted are a multihash, in hexadecimal or with a prefix that tells its base, a digest behind its
    algorithm, and a bare digest whose length tells the algorithm. Anything else gives `UNUSABLE`: with that a
    file is neither refused nor counted as checked.
    """
    if text is None:
        return None
    if not isinstance(text, str) or len(text) > 1000:
        return UNUSABLE
    if found := _SHA256_MULTIHASH.fullmatch(text):
        return Checksum("sha256", bytes.fromhex(found[1]))
    text = text.strip().strip('"')
    if text.startswith(GIT_BLOB):
        label, _, digits = text.rpartition(":")
        return Checksum(label, bytes.fromhex(digits)) if _GIT_BLOB.fullmatch(text) else UNUSABLE
    if found := _LABELLED.fullmatch(text):
        return _parse_labelled(f"{found[1]}{found[2]}".lower(), found[3])
    digits = text.removeprefix("0x")
    if _HEX.fullmatch(digits):
        digest = bytes.fromhex(digits)
        return _parse_multihash(digest) or _parse_bare(digest)
    return _parse_multihash(_of_base(text), may_be_bare=False) or UNUSABLE


def git_blob(digits: object, size: int | None) -> str:
    """The checksum, for `parse`, of a content of `size` bytes by the id that git gives to it."""
    return f"{GIT_BLOB}-{size}:{digits}"


def _parse_labelled(algorithm: str, digits: str) -> Checksum:
    if algorithm not in _LABELLED_ALGORITHMS:
        return UNUSABLE
    digest = bytes.fromhex(digits) if _HEX.fullmatch(digits) else b""
    digest = digest if len(digest) == _size(algorithm) else _base64(digits)
    return Checksum(algorithm, digest) if len(digest) == _size(algorithm) else UNUSABLE


def _of_base(text: str) -> bytes:
    """The bytes of a text that begins with the prefix of its base; none if it has none."""
    base, digits = _BASES.get(text[:1]), text[1:].rstrip("=")
    if base == 58 and digits.isascii() and all(one in _BASE58 for one in digits):
        number = 0
        for one in digits:
            number = number * 58 + _BASE58.index(one)
        return number.to_bytes((number.bit_length() + 7) // 8)  # no multihash begins with a zero
    if base == 64:
        return _base64(digits)
    if base == 16 and _HEX.fullmatch(digits):
        return bytes.fromhex(digits)
    try:
        return base64.b32decode(digits.upper() + "=" * (-len(digits) % 8)) if base == 32 else b""
    except (binascii.Error, ValueError):
        return b""


def _parse_bare(digest: bytes) -> Checksum:
    algorithm = _ALGORITHM_OF_SIZE.get(len(digest))
    return Checksum(algorithm, digest) if algorithm else UNUSABLE


def _parse_multihash(data: bytes, *, may_be_bare: bool = True) -> Checksum | None:
    """The multihash: code and length as varints, then the digest. None if it is no multihash of a known code.

    One bare SHA-1 in ten thousand has the form of a multihash truncated to 18 bytes; bare MD5, SHA-256 and
    SHA-512 digests have the same ambiguity. Such a value is `UNUSABLE`: a valid file must not be refused.
    """
    code, start = _read_varint(data, 0)
    length, start = _read_varint(data, start)
    algorithm, digest = _ALGORITHMS.get(code, ""), data[start:]
    if not algorithm or len(digest) != length or not MIN_DIGEST_BYTES <= length <= _size(algorithm):
        return None
    ambiguous = may_be_bare and len(data) in _ALGORITHM_OF_SIZE and start == 2
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
    """Of either alphabet, with or without the signs that fill it up."""
    digits = text.strip().rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)
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
