"""Hides how digests are written down: multihash, bare hex, and the header fields of servers.

Algorithms are called as hashlib calls them ("md5", "sha256", "sha3_512"); a BLAKE2 also says its size
in bytes, since another size is another function: "blake2b-32", "blake2s-16".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import BinaryIO, Protocol

from .model import Checksum

SHORTEST = 16
"""Bytes of a truncated digest that still prove something."""

UNUSABLE = Checksum("", b"")
_PIECE = 512 << 10

_CODES = {
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
_NUMBERS = {name: code for code, name in _CODES.items()}
_BARE = {16: "md5", 20: "sha1", 32: "sha256", 64: "sha512"}
_LABELS = {"md5", "sha1", "sha224", "sha256", "sha384", "sha512"}
_usual = re.compile(r"1220([0-9a-f]{64})", re.ASCII).fullmatch
_hex = re.compile(r"(?:[0-9A-Fa-f]{2})+", re.ASCII).fullmatch
_digests = re.compile(r"([a-z0-9-]+)=:([A-Za-z0-9+/]*={0,2}):", re.ASCII).findall
_goog_md5 = re.compile(r"(?:^|,)\s*md5=([A-Za-z0-9+/]+={0,2})\s*(?:,|$)", re.ASCII).search


class Hasher(Protocol):
    """What hashlib's objects have in common."""

    def update(self, data: bytes | bytearray | memoryview, /) -> None: ...

    def digest(self) -> bytes: ...

    def copy(self) -> Hasher: ...


def parse(text: object) -> Checksum | None:
    """What a catalogue published as a checksum; None if it published none.

    What cannot be understood is declared but not usable: no reason to refuse a file, no proof of one.
    """
    if text is None:
        return None
    if not isinstance(text, str) or len(text) > 1000:
        return UNUSABLE
    if usual := _usual(text):
        return Checksum("sha256", bytes.fromhex(usual[1]))
    label, colon, digits = text.strip().strip('"').rpartition(":")
    if not _hex(digits):
        return UNUSABLE
    digest = bytes.fromhex(digits)
    if colon:
        return _labelled(label, digest)
    return _multihash(digest) or _bare(digest)


def _labelled(label: str, digest: bytes) -> Checksum:
    algorithm = label.strip().lower().replace("sha2-", "sha").replace("-", "")
    known = algorithm in _LABELS and len(digest) == _size(algorithm)
    return Checksum(algorithm, digest) if known else UNUSABLE


def _bare(digest: bytes) -> Checksum:
    algorithm = _BARE.get(len(digest))
    return Checksum(algorithm, digest) if algorithm else UNUSABLE


def _multihash(data: bytes) -> Checksum | None:
    """None if this is no multihash we know.

    A bare SHA-1 has one chance in ten thousand to look like a multihash truncated to 18 bytes, as have
    other bare digests of their lengths. Both readings are possible then, and neither may fail a good file.
    """
    code, start = _varint(data, 0)
    length, start = _varint(data, start)
    algorithm, digest = _CODES.get(code, ""), data[start:]
    if not algorithm or len(digest) != length or not SHORTEST <= length <= _size(algorithm):
        return None
    ambiguous = len(data) in _BARE and start == 2
    return UNUSABLE if ambiguous else Checksum(algorithm, digest)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The unsigned varint at this place and where it ends; -1 if there is none or it is not minimal."""
    value = 0
    for offset, byte in enumerate(data[at : at + 9]):
        value |= (byte & 0x7F) << 7 * offset
        if byte < 0x80:
            return (value if byte or not offset else -1), at + offset + 1
    return -1, len(data)


def _encoded(number: int) -> bytes:
    parts = []
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def multihash(algorithm: str, digest: bytes) -> str:
    """The digest as STAC's file:checksum writes it."""
    return (_encoded(_NUMBERS[algorithm]) + _encoded(len(digest)) + digest).hex()


def hasher(algorithm: str) -> Hasher:
    """A new hash object for one of our names; KeyError for a name that is not ours."""
    if algorithm == "sha256":
        return hashlib.sha256(usedforsecurity=False)
    if algorithm not in _NUMBERS:
        raise KeyError(algorithm)
    name, _, size = algorithm.partition("-")
    if name == "blake2b":
        return hashlib.blake2b(digest_size=int(size), usedforsecurity=False)
    if name == "blake2s":
        return hashlib.blake2s(digest_size=int(size), usedforsecurity=False)
    return hashlib.new(name, usedforsecurity=False)


@lru_cache(maxsize=256)
def of_file(file: BinaryIO, algorithm: str) -> bytes:
    """The digest of all that is left to read."""
    digest = hasher(algorithm)
    while piece := file.read(_PIECE):
        digest.update(piece)
    return digest.digest()


def _size(algorithm: str) -> int:
    name, _, size = algorithm.partition("-")
    return int(size) if size else hashlib.new(name, usedforsecurity=False).digest_size


def matches(checksum: Checksum, full_digest: bytes) -> bool:
    """Whether the whole digest, made with the checksum's algorithm, begins with what was published."""
    known = checksum.digest
    return checksum.usable and len(known) >= SHORTEST and full_digest[: len(known)] == known


PUBLISHED_IN = frozenset(
    {"repr-digest", "x-amz-checksum-sha256", "x-amz-checksum-sha1", "content-md5", "x-ms-blob-content-md5"}
    | {"x-goog-hash"}
)
"""The fields that `from_headers` reads a digest from."""


def from_headers(headers: Mapping[str, str]) -> Checksum | None:
    """The digest of the whole file that a 200 response without Content-Encoding came with, if any.

    Field names are lower-case. Not for a 206: there Content-MD5 may be that of the part.
    """
    return None if PUBLISHED_IN.isdisjoint(headers) else next(_published(headers), None)


def _published(headers: Mapping[str, str]) -> Iterator[Checksum]:
    digests = dict(_digests(headers.get("repr-digest", "")))
    composite = headers.get("x-amz-checksum-type", "").upper() == "COMPOSITE"
    stored = headers.get("x-goog-stored-content-encoding", "identity") == "identity"
    goog = _goog_md5(headers.get("x-goog-hash", "")) if stored else None
    candidates = (
        ("sha256", digests.get("sha-256")),
        ("sha256", None if composite else headers.get("x-amz-checksum-sha256")),
        ("sha512", digests.get("sha-512")),
        ("sha1", None if composite else headers.get("x-amz-checksum-sha1")),
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
