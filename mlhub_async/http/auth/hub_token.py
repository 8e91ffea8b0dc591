"""The access token of a Hugging Face hub, where its own tools keep it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ...core.secret import Secret, one_line
from .credentials import Credential, bearer


def hub_token(environ: Mapping[str, str]) -> str:
    """HF_TOKEN, else the file that `hf auth login` writes; "" without one."""
    if token := environ.get("HF_TOKEN", "").strip():
        return token
    cache = Path(environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME") or "~").expanduser() / ".cache")
    home = Path(environ.get("HF_HOME") or cache / "huggingface")
    try:
        return Path(environ.get("HF_TOKEN_PATH") or home / "token").read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def hub_credential(hub_url: str, token: Secret) -> list[Credential]:
    """The token for the origin of the hub, and for no other."""
    return [bearer(one_line(token, "HF_TOKEN"), hub_url)]
