"""The signers for NASA Earthdata: a token of Earthdata Login as a bearer, and keys for S3 inside us-west-2.

https://urs.earthdata.nasa.gov/documentation/for_users/user_token
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode
from collections.abc import Sequence
from datetime import UTC, datetime

from ....core.errors import TransferError, UsageError
from ....core.json_text import parse_json
from ....core.model import Request
from ....core.ports import Refused, SeenKey, SigningContext
from ....core.secret import Secret, one_line
from ....core.urls import origin, redacted
from ..access_tokens.data_centres import REGION, credentials_url
from ..access_tokens.hosts import EARTHDATA_HOSTS, EARTHDATA_LOGIN, https_origins
from ..access_tokens.token_file import TokenFile
from ..credentials import basic
from ..tokens import Token, TokenCache
from .bearer import BearerSigner
from .buckets import bucket_of
from .sigv4 import S3Keys, SigningClock, with_sigv4

TOKEN_VARIABLES = ("EARTHDATA_TOKEN", "EARTHDATA_PAT")
USERNAME, PASSWORD, LOGIN_URL = "EARTHDATA_USERNAME", "EARTHDATA_PASSWORD", "EARTHDATA_LOGIN_URL"
S3_CREDENTIALS_URL = "EARTHDATA_S3_CREDENTIALS_URL"
TOKEN_PATH = "/api/users/find_or_create_token"


def earthdata(context: SigningContext) -> BearerSigner | None:
    """By EARTHDATA_TOKEN, or by EARTHDATA_USERNAME and EARTHDATA_PASSWORD, which get a token.

    The token goes to the hosts of `EARTHDATA_HOSTS`, to Earthdata Login and to hosts that `--auth` names.
    """
    environ = context.environ
    login = _login_url(context)
    variable = next((name for name in TOKEN_VARIABLES if environ.get(name)), "")
    tokens: _GivenToken | _TokenOfUser
    kept = None
    if variable:
        tokens, place = _GivenToken(Secret(one_line(environ[variable], variable))), variable
    elif environ.get(USERNAME) or environ.get(PASSWORD):
        tokens, place = _TokenOfUser(login, context), f"{USERNAME}, {PASSWORD}"
        kept = TokenFile(context.token_file, f"{redacted(login)} {tokens.holder}", context.clock)
    else:
        return None
    origins = context.given | https_origins(EARTHDATA_HOSTS) | {origin(login)}
    hosts = ", ".join(["hosts of NASA Earthdata", *map(str, sorted(context.given))])
    return BearerSigner(origins, tokens, SeenKey(place, hosts, tokens.until), context.clock, kept=kept)


class _GivenToken:
    """A token that the user has made. There is no newer one."""

    def __init__(self, token: Secret) -> None:
        self._token = token
        self.until = expiry(token)
        self.secrets = [token]

    async def fetch(self) -> Token:
        return Token(self._token, self.until)


class _TokenOfUser:
    """The token of a user, which Earthdata Login makes where there is none. A user can have two."""

    until = None

    def __init__(self, login: str, context: SigningContext) -> None:
        environ = context.environ
        for name, other in ((USERNAME, PASSWORD), (PASSWORD, USERNAME)):
            if not environ.get(name):
                raise UsageError(f"{other} is set, but not {name}")
        user, password = (one_line(environ[name], name) for name in (USERNAME, PASSWORD))
        self._url = f"{login.rstrip('/')}{TOKEN_PATH}"
        self.holder = hashlib.sha256(user.encode()).hexdigest()
        """tells whose tokens these are"""
        self._basic = basic(user, password)
        self._reader = context.reader
        self._refused: TransferError | None = None
        self.secrets = [Secret(password), self._basic]

    async def fetch(self) -> Token:
        """Raises `TransferError` where user and password are refused: they are not sent again in this run."""
        if self._refused is not None:
            raise self._refused
        headers = {"authorization": self._basic.reveal(), "accept": "application/json"}
        try:
            answer = (await self._reader.read(Request(self._url, "POST", headers, confidential=True))).body
        except TransferError as error:
            if error.denied:
                error.message += f": check {USERNAME} and {PASSWORD}"
                error.signed, self._refused = True, error
            raise
        token = answer.get("access_token") if isinstance(answer, dict) else None
        if not isinstance(token, str) or not token:
            raise TransferError(f"{redacted(self._url)}: the answer has no access_token", kind="unauthorized")
        return Token(Secret(one_line(token, "the token of Earthdata Login")), _end(answer, Secret(token)))


def expiry(token: Secret) -> float | None:
    """The Unix time at which a JSON Web Token ends (RFC 7519 section 4.1.4); None where it does not say.

    Its signature is not checked: this is only for what is shown, and when to ask for another one.
    """
    payload = token.reveal().split(".")[1:2]
    try:
        claims = parse_json(urlsafe_b64decode(payload[0] + "=" * (-len(payload[0]) % 4)))
        until = claims["exp"]
    except (IndexError, KeyError, TypeError, ValueError):
        return None
    return float(until) if isinstance(until, int | float) and not isinstance(until, bool) else None


def _end(answer: dict[str, object], token: Secret) -> float | None:
    """By the token itself, else by the day in the answer (month/day/year)."""
    if (until := expiry(token)) is not None:
        return until
    try:
        day = datetime.strptime(str(answer.get("expiration_date")), "%m/%d/%Y")
    except ValueError:
        return None
    return day.replace(tzinfo=UTC).timestamp()


def _login_url(context: SigningContext) -> str:
    """Earthdata Login, or another system of it that the user names."""
    return context.given_url(LOGIN_URL) or f"https://{EARTHDATA_LOGIN}"


def earthdata_s3(context: SigningContext) -> EarthdataS3Signer | None:
    """Keys of the data centre that a bucket is of, for the hosts that `--auth` names."""
    login = earthdata(context) if context.given else None
    return None if login is None else EarthdataS3Signer(context, login)


class EarthdataS3Signer:
    """Signs requests to buckets of data centres (Signature Version 4). See `ports.Signer`.

    A data centre gives keys of an hour to who has a token of Earthdata Login: one request per data centre.
    """

    def __init__(self, context: SigningContext, login: BearerSigner) -> None:
        self.origins = context.given
        self._context = context
        self._login = login
        self._time = SigningClock(context.clock)
        self._given_url = context.given_url(S3_CREDENTIALS_URL)
        self._keys: dict[str, S3Keys] = {}
        self._cache: TokenCache[str] = TokenCache(self._fetch, context.clock)

    @property
    def secrets(self) -> list[Secret]:
        own = [one for keys in self._keys.values() for one in (keys.secret_access_key, keys.session_token)]
        return [*own, *self._login.secrets]

    def sign(self, request: Request) -> Request | None:
        url = self._credentials_url(request)
        if url and self._cache.get(url) is None:
            return None
        if not url:
            return request
        return with_sigv4(request, self._keys[url], REGION, self._time.seconds(request.url))

    async def renew(self, request: Request, refused: Refused | None) -> bool:
        """Raises `TransferError` where the data centre gives no keys."""
        url = self._credentials_url(request)
        if not url:
            return refused is None
        if refused is None:
            return await self._cache.renew(url)
        if self._time.is_set_by(refused):
            return True
        known = self._keys.get(url)
        return refused.error.denied and await self._cache.renew(url, known and Secret(known.access_key_id))

    def keys(self) -> Sequence[SeenKey]:
        hosts = ", ".join(map(str, sorted(self.origins)))
        note = f"keys for S3 in {REGION}, from the data centre"
        (login,) = self._login.keys()
        return [login._replace(hosts=hosts, note=note)]

    def _credentials_url(self, request: Request) -> str:
        return self._given_url or credentials_url(bucket_of(request.url).rpartition("/")[2])

    async def _fetch(self, url: str) -> Token:
        answer = (await self._context.reader.read(await self._with_token(Request(url)))).body
        names = ("accessKeyId", "secretAccessKey", "sessionToken")
        given = [answer.get(name) for name in names] if isinstance(answer, dict) else []
        found = [one for one in given if isinstance(one, str) and one]
        if len(found) < len(names):
            raise TransferError(f"{redacted(url)}: the answer has no keys for S3", kind="unauthorized")
        key_id, secret, token = (one_line(one, "a key for S3") for one in found)
        self._keys[url] = S3Keys(key_id, Secret(secret), Secret(token))
        return Token(Secret(key_id), _time(answer.get("expiration")))

    async def _with_token(self, request: Request) -> Request:
        """The data centre is one of the hosts that may see the token, or the user has named it."""
        signed = self._login.sign(request)
        if signed is None:
            await self._login.renew(request, None)
            signed = self._login.sign(request)
        return signed or request


def _time(text: object) -> float | None:
    """The Unix time of `2026-11-29 12:00:00+00:00`."""
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except (ValueError, OverflowError):
        return None
