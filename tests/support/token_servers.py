"""Servers that want access tokens: a token endpoint of OAuth 2.0, and files behind it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, unquote_plus

from support.one_request import CANARY
from support.server import Site
from support.wire_format import Ask, Reply, Seen, Thing, content

USER, PASSWORD = "me@user.test", f"pass word+{CANARY}"
CLIENT, CLIENT_SECRET = "client-1", f"client:{CANARY}"


class TokenEndpoint:
    """A token endpoint (RFC 6749) with the answers of Keycloak. `asked` has the forms of all requests.

    Only tokens in `valid` open files. A refresh token is good for one request.
    """

    def __init__(self, site: Site, path: str = "/realms/r/token", *, expires_in: Any = 600) -> None:
        self.site = site
        self.url = site.route(path, self._answer)
        self.expires_in = expires_in
        self.valid: set[str] = set()
        self.refresh: set[str] = set()
        self.asked: list[dict[str, str]] = []
        self.refused: tuple[int, Any] | None = None
        """status and body to answer with instead"""
        self.kind = "Bearer"

    def _answer(self, seen: Seen) -> Reply:
        form = {name: values[0] for name, values in parse_qs(seen.body.decode()).items()}
        self.asked.append(form)
        assert seen.method == "POST", seen
        assert seen.headers["content-type"] == "application/x-www-form-urlencoded", seen
        if self.refused is not None:
            return _json(*self.refused)
        if not self._client_is_known(seen, form):
            return _json(401, {"error": "invalid_client"})
        if not self._is_granted(form):
            return _json(400, {"error": "invalid_grant", "error_description": "Invalid user credentials"})
        return _json(200, self._issue(with_refresh=form["grant_type"] != "client_credentials"))

    def _client_is_known(self, seen: Seen, form: dict[str, str]) -> bool:
        given = seen.headers.get("authorization", "").removeprefix("Basic ")
        if not given:
            return form.get("client_id") == CLIENT and form["grant_type"] != "client_credentials"
        login, _, secret = base64.b64decode(given).decode().partition(":")
        return (unquote_plus(login), unquote_plus(secret)) == (CLIENT, CLIENT_SECRET)

    def _is_granted(self, form: dict[str, str]) -> bool:
        match form["grant_type"]:
            case "password":
                return (form["username"], form["password"]) == (USER, PASSWORD)
            case "refresh_token":
                known = form["refresh_token"] in self.refresh
                self.refresh.discard(form["refresh_token"])
                return known
        return form["grant_type"] == "client_credentials"

    def _issue(self, *, with_refresh: bool) -> dict[str, Any]:
        number = len(self.asked)
        token, refresh = f"access-{CANARY}-{number}", f"refresh-{CANARY}-{number}"
        self.valid.add(token)
        answer = {"access_token": token, "token_type": self.kind, "expires_in": self.expires_in}
        if with_refresh:
            self.refresh.add(refresh)
            answer |= {"refresh_token": refresh, "refresh_expires_in": 3600}
        return answer

    def opens(self, seen: Seen) -> bool:
        """Whether a request has a token that is valid now."""
        return seen.headers.get("authorization", "").removeprefix("Bearer ") in self.valid

    def guard(
        self, site: Site, path: str, body: bytes, *, after: Callable[[Reply], None] | None = None
    ) -> str:
        """Put a file that only a valid token opens. `after` may bend each answer that has it."""
        thing = Thing(body, content_type="image/tiff", etag=f'"{len(body)}"')

        def answer(seen: Seen) -> Reply:
            if not self.opens(seen):
                return Reply(401, [("WWW-Authenticate", "Bearer")], b'{"detail": "Token not found"}')
            reply = content(Ask(dict(seen.headers), thing))
            if after is not None:
                after(reply)
            return reply

        return site.route(path, answer)


def _json(status: int, body: Any) -> Reply:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, [("Content-Type", "application/json")], data)
