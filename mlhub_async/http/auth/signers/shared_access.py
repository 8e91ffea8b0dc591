"""A signer for a shared access signature of Azure Storage that the user gave with the URL of SOURCE."""

from __future__ import annotations

import ipaddress
from urllib.parse import parse_qsl, unquote

from ....core.model import Request
from ....core.secret import Secret
from ....core.urls import Origin, origin


class SharedAccessSigner:
    """Adds the signature to requests for the container of `url`, and to no others. See `ports.Signer`.

    A URL that has a signature of its own keeps it.
    """

    def __init__(self, url: str, signature: Secret) -> None:
        self._signature = signature
        self._container = container_of(url)
        self.origins = frozenset({origin(url)})
        pairs = parse_qsl(signature.reveal())
        self.secrets = frozenset(Secret(value) for name, value in pairs if name.lower() == "sig")

    def sign(self, request: Request) -> Request:
        rest, _, query = request.url.partition("?")
        if not self._is_inside(_path(rest)) or _is_signed(query):
            return request
        joined = f"{query}&" if query else ""
        return request._replace(url=f"{rest}?{joined}{self._signature.reveal()}")

    async def renew(self, origin: Origin) -> None:
        """The user gave one signature: there is no newer one."""

    def _is_inside(self, path: str) -> bool:
        names = path.removeprefix(self._container).split("/")
        if not path.startswith(self._container) or {".", ".."} & set(map(unquote, names)):
            return False
        return self._container != "/" or len(names) == 1


def container_of(url: str) -> str:
    """The path of the container that an object is in, ending in a slash; "/" for the container `$root`.

    The first name of the path is the container. On hosts without a domain (an emulator) the account comes
    before it, where there are that many folders.
    """
    folders = _path(url).split("/")[1:-1]
    names = folders[: 2 if _has_no_domain(origin(url).host) else 1]
    return "/" + "".join(f"{name}/" for name in names)


def _path(url: str) -> str:
    rest = url.partition("?")[0]
    start = rest.find("/", rest.find("://") + 3)
    return rest[start:] if start > 0 else "/"


def _has_no_domain(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "." not in host
    return True


def _is_signed(query: str) -> bool:
    return any(unquote(pair.partition("=")[0]).lower() == "sig" for pair in query.split("&"))
