"""Download links as MLHub made them: a new opaque token in every response, valid for a few hours."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import struct
import time
from dataclasses import dataclass

_HEAD = struct.Struct(">BQ16s")
_BODY = struct.Struct(">d120s")
_MAC_BYTES = 32


@dataclass(frozen=True, slots=True)
class DownloadTokens:
    """Encodes paths as tokens with the layout of Fernet: version, time, nonce, encrypted text, MAC.

    Good enough for generated data on loopback; not a secure replacement of Fernet.
    """

    secret: bytes

    def issue(self, path: str) -> str:
        """A token for a path, different in every call."""
        now = time.time()
        head = _HEAD.pack(0x80, int(now), secrets.token_bytes(16))
        encrypted = self._xor(head, _BODY.pack(now, path.encode("ascii")))
        return base64.urlsafe_b64encode(head + encrypted + self._mac(head + encrypted)).decode("ascii")

    def decode(self, token: str) -> tuple[str, float] | None:
        """The path and when the token was issued (Unix time); None if it was not issued here."""
        try:
            raw = base64.urlsafe_b64decode(token.encode("ascii"))
        except (UnicodeEncodeError, binascii.Error):
            return None
        message, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        if len(message) != _HEAD.size + _BODY.size or not hmac.compare_digest(mac, self._mac(message)):
            return None
        issued, path = _BODY.unpack(self._xor(message[: _HEAD.size], message[_HEAD.size :]))
        return path.rstrip(b"\0").decode("ascii"), issued

    def _xor(self, head: bytes, text: bytes) -> bytes:
        """Encrypts, and decrypts what it encrypted."""
        stream = hashlib.shake_256(self.secret + head).digest(len(text))
        return (int.from_bytes(text, "big") ^ int.from_bytes(stream, "big")).to_bytes(len(text), "big")

    def _mac(self, message: bytes) -> bytes:
        return hashlib.blake2b(message, key=self.secret, digest_size=_MAC_BYTES).digest()
