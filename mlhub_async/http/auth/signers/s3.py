"""The signer for S3: keys of the variables of AWS, or of its profiles by botocore where that is installed."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ....core.errors import TransferError, UsageError
from ....core.model import Request
from ....core.ports import Refused, SeenKey, SigningContext
from ....core.secret import Secret, one_line
from ....core.urls import Origin, origin, without_signature
from ..tokens import Token, TokenCache
from .buckets import PrivateBuckets, bucket_of
from .sigv4 import S3Keys, SigningClock, signed_at, with_sigv4

FRESH_SECONDS = 300.0
"""A refused signature of this age may have been too old when it came; S3 accepts a quarter of an hour."""
PROFILE_SECONDS = 600.0
"""So long keys of a profile are used before it is asked again: it renews temporary ones by itself."""
_amazon = re.compile(
    r"(?:[a-z0-9.-]+\.)?s3(?:[.-](?:dualstack|accelerate|fips))*(?:[.-]([a-z]{2}(?:-[a-z]+)+-\d))?\.amazonaws\.com(?:\.cn)?",
    re.ASCII,
).fullmatch


class _S3Hosts:
    """The hosts of Amazon S3, and those that the user names."""

    def __init__(self, named: frozenset[Origin]) -> None:
        self.named = named

    def __contains__(self, one: object) -> bool:
        if not isinstance(one, Origin):
            return False
        return one in self.named or (one.scheme == "https" and one.port == 443 and bool(_amazon(one.host)))


class S3Signer:
    """Signs requests to buckets that refuse those without keys. See `ports.Signer`.

    A host that the user names by `--auth`, and every bucket where the requester pays, gets signed requests
    only. A URL with a signature of its own keeps it until that is refused: it is taken out then. A host whose
    clock differs from that of this machine by more than S3 allows, as a refusal tells, gets its own time.
    """

    def __init__(self, context: SigningContext, keys: S3Keys | None, place: str) -> None:
        """`keys` None: those of the profile."""
        self._clock, self._place, self._pays = context.clock, place, context.request_payer
        environ = context.environ
        self._region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1"
        self._given = context.given
        endpoint = context.endpoints.s3
        self.origins = _S3Hosts(context.given | ({origin(endpoint)} if endpoint else frozenset()))
        self._buckets = PrivateBuckets(always=context.request_payer)
        self._refused_own = PrivateBuckets(always=False)
        """buckets that have refused a signature in a URL"""
        self._keys = keys
        self._profile = _Profile(environ)
        self._asked: TokenCache[str] = TokenCache(self._ask_profile, context.clock)
        self._time = SigningClock(context.clock)
        self._regions: dict[str, str] = {}
        """of buckets of Amazon that have answered by the host of their region"""

    @property
    def secrets(self) -> frozenset[Secret]:
        keys = self._keys
        return frozenset({keys.secret_access_key, keys.session_token} if keys else ())

    def sign(self, request: Request) -> Request | None:
        here = origin(request.url)
        has_own = _is_presigned(request.url)
        if has_own and not self._refused_own.needs(request.url):
            return request
        if not (has_own or here in self._given or self._buckets.needs(request.url)):
            return request
        if self._profile.is_used and self._asked.get("") is None:
            return request if self._asked.lacks("") else None
        if self._keys is None:
            return request
        region = self._region_of(here, request.url)
        if has_own:
            request = request._replace(url=without_signature(request.url))
        return with_sigv4(request, self._keys, region, self._time.seconds(request.url), pays=self._pays)

    def _region_of(self, here: Origin, url: str) -> str:
        found = _amazon(here.host)
        if found is None:
            return self._region
        bucket = bucket_of(url)
        if found[1]:
            self._regions[bucket] = found[1]
            return found[1]
        return self._regions.get(bucket, "us-east-1")

    async def renew(self, request: Request, refused: Refused | None) -> bool:
        if refused is None:
            return await self._asked.renew("")
        when, other_time = signed_at(refused.sent), self._time.is_set_by(refused)
        if when is None:
            buckets = self._refused_own if _is_presigned(request.url) else self._buckets
            if not buckets.refused(request.url, signed=False):
                return False
            return not self._profile.is_used or await self._asked.renew("")
        if other_time or self._time.seconds(refused.sent.url) - when > FRESH_SECONDS:
            return True
        before = self._keys
        if self._profile.is_used and before is not None:
            await self._asked.renew("", Secret(before.access_key_id))
        if _is_presigned(request.url):
            self._refused_own.refused(request.url, signed=True)
            return True  # by the signature in the URL, which this request may not have been sent with
        return self._keys != before or self._buckets.refused(request.url, signed=True)

    async def _ask_profile(self, _: str) -> Token | None:
        import asyncio

        self._keys = await asyncio.to_thread(self._profile.keys)
        if self._keys is None:
            return None
        return Token(Secret(self._keys.access_key_id), self._clock() + PROFILE_SECONDS)

    def keys(self) -> Sequence[SeenKey]:
        hosts = ", ".join(["*.amazonaws.com", *sorted(map(str, self.origins.named))])
        note = "always: the requester pays" if self._pays else "where a bucket refuses what is unsigned"
        return [SeenKey(self._place, hosts, note=note)]


class _Profile:
    """The profile of the tools of AWS: files, single sign-on, roles. Asks the network where they do."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        has_keys = environ.get("AWS_ACCESS_KEY_ID")
        self._name = environ.get("AWS_PROFILE") or environ.get("AWS_DEFAULT_PROFILE") or None
        self.is_used = not has_keys
        self._session: Any = None

    def keys(self) -> S3Keys | None:
        """Its present keys, None where it has none. Raises `TransferError`."""
        session = importlib.import_module("botocore.session")
        failures = importlib.import_module("botocore.exceptions")
        try:
            self._session = self._session or session.Session(profile=self._name)
            found = self._session.get_credentials()
            frozen = None if found is None else found.get_frozen_credentials()
        except (failures.BotoCoreError, OSError) as error:
            why = f"no keys of the profile {self._name or 'default'} of AWS: {error}"
            raise TransferError(why, kind="unauthorized") from None
        if frozen is None:
            return None
        return S3Keys(frozen.access_key, Secret(frozen.secret_key), Secret(frozen.token or ""))


def s3(context: SigningContext) -> S3Signer | None:
    """The keys of AWS_ACCESS_KEY_ID, else of a profile where one is named, or where keys are required."""
    environ = context.environ
    if environ.get("AWS_ACCESS_KEY_ID"):
        return S3Signer(context, _keys_of(environ), "AWS_ACCESS_KEY_ID")
    required = bool(context.given) or context.request_payer
    named = environ.get("AWS_PROFILE") or environ.get("AWS_DEFAULT_PROFILE")
    if not (named or required):
        return None
    if importlib.util.find_spec("botocore") is None:
        if not required:
            return None
        raise UsageError(
            "keys for S3 are needed: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or for profiles "
            "python -m pip install 'botocore>=1.34'"
        )
    return S3Signer(context, None, f"the profile {named or 'default'} of AWS")


def _keys_of(environ: Mapping[str, str]) -> S3Keys:
    key_id, secret, token = (
        one_line(environ.get(name, ""), name)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    )
    if not secret:
        raise UsageError("AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not: set both or none")
    return S3Keys(key_id, Secret(secret), Secret(token))


def _is_presigned(url: str) -> bool:
    """Whether a URL has a signature of its own (SigV4, or the older one of AWS): S3 refuses two."""
    query = url.partition("?")[2].lower()
    return "x-amz-signature=" in query or "signature=" in query
