"""Download links as MLHub made them: another opaque token in every response, good for a few hours."""

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
_SEAL = 32


@dataclass(frozen=True, slots=True)
class Mint:
    """Seals paths into tokens of the shape of Fernet: version, time, nonce, hidden text, seal.

    A look-alike for a demo on loopback, without the strength of the original.
    """

    secret: bytes

    def token(self, path: str) -> str:
        now = time.time()
        head = _HEAD.pack(0x80, int(now), secrets.token_bytes(16))
        hidden = self._veiled(head, _BODY.pack(now, path.encode("ascii")))
        return base64.urlsafe_b64encode(head + hidden + self._seal(head + hidden)).decode("ascii")

    def opened(self, token: str) -> tuple[str, float] | None:
        """The path and when the token was made, or None if it was not made here."""
        try:
            raw = base64.urlsafe_b64decode(token.encode("ascii"))
        except (UnicodeEncodeError, binascii.Error):
            return None
        sealed, seal = raw[:-_SEAL], raw[-_SEAL:]
        if len(sealed) != _HEAD.size + _BODY.size or not hmac.compare_digest(seal, self._seal(sealed)):
            return None
        made, path = _BODY.unpack(self._veiled(sealed[: _HEAD.size], sealed[_HEAD.size :]))
        return path.rstrip(b"\0").decode("ascii"), made

    def _veiled(self, head: bytes, text: bytes) -> bytes:
        """Hides, or shows again what was hidden."""
        stream = hashlib.shake_256(self.secret + head).digest(len(text))
        return (int.from_bytes(text, "big") ^ int.from_bytes(stream, "big")).to_bytes(len(text), "big")

    def _seal(self, sealed: bytes) -> bytes:
        return hashlib.blake2b(sealed, key=self.secret, digest_size=_SEAL).digest()
