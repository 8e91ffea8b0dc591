"""The signer for a Hugging Face hub: the access token from where the hub's own tools keep it.

https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ....core.secret import Secret, one_line
from ....core.urls import Origin, origin, parse
from ..credentials import Credential, bearer
from ..schemes import HUB
from .static import StaticSigner

if TYPE_CHECKING:
    from ....core.ports import SigningContext


def hugging_face(context: SigningContext) -> StaticSigner | None:
    """The token for the hub, and for no other origin: not for those that it redirects downloads to."""
    origins = context.given | {origin(parse(context.environ.get("HF_ENDPOINT") or HUB))}
    token, place = hub_token(context.environ)
    return StaticSigner(partial(_credentials, token, origins), place) if token else None


def hub_token(environ: Mapping[str, str]) -> tuple[str, str]:
    """HF_TOKEN, else the file that `hf auth login` writes, and which of them it is; "" without one."""
    if token := environ.get("HF_TOKEN", "").strip():
        return token, "HF_TOKEN"
    cache = Path(environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME") or "~").expanduser() / ".cache")
    home = Path(environ.get("HF_HOME") or cache / "huggingface")
    path = Path(environ.get("HF_TOKEN_PATH") or home / "token")
    try:
        return path.read_text("utf-8").strip(), str(path)
    except (OSError, UnicodeDecodeError):
        return "", ""


def _credentials(token: str, origins: frozenset[Origin]) -> list[Credential]:
    return [bearer(Secret(one_line(token, "HF_TOKEN")), origins)]
