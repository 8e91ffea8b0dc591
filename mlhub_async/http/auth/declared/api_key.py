"""Where an API key goes by the words of the catalogue: into a header field, a query parameter or a cookie."""

from __future__ import annotations

from collections.abc import Iterable

from ....core.errors import UsageError
from ....core.secret import Secret
from ..credentials import Credential, check_header_name
from .schemes import API_KEY, DeclaredScheme, declared_scheme


def placed(credential: Credential, auth: Iterable[str]) -> Credential:
    """The key of the user in the place that the first usable scheme names, for the same origins."""
    for scheme in map(declared_scheme, auth):
        if scheme.type == API_KEY and (found := _placed(credential, scheme)) is not None:
            return found
    return credential


def _placed(credential: Credential, scheme: DeclaredScheme) -> Credential | None:
    name, value = scheme.parameter, credential.value
    if scheme.place == "query" and name:
        return Credential("query", name, value, credential.origins)
    try:
        check_header_name(name)
    except UsageError:
        return None
    if scheme.place == "header":
        return Credential("header", name, value, credential.origins)
    if scheme.place == "cookie" and ";" not in value.reveal():
        return Credential("header", "Cookie", Secret(f"{name}={value.reveal()}"), credential.origins)
    return None
