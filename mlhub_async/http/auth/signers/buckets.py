"""Which buckets need credentials: a bucket is read without them until it refuses that."""

from __future__ import annotations

import re

from ....core.urls import origin

MAX_BUCKETS = 10_000
"""Buckets that are remembered; all are forgotten when there are more."""
_own_host = re.compile(
    r"[^/]+\.(?:s3(?:[.-][a-z0-9-]+)*\.amazonaws\.com(?:\.cn)?|storage\.googleapis\.com)", re.ASCII
).fullmatch
_without_region = re.compile(r"(?<=s3)[.-][a-z]{2}(?:-[a-z]+)+-\d(?=\.amazonaws)", re.ASCII).sub
_listed = re.compile(r"(?:/upload)?/storage/v1/b/([^/?]+)/").match


def bucket_of(url: str) -> str:
    """The bucket of a URL with its host, without a region: the host name has it, or the path begins so."""
    start = url.partition("?")[0]
    here = origin(start)
    place = _without_region("", str(here))
    if _own_host(here.host):
        return place
    path = start[start.find("/", 8) :] if start.count("/") > 2 else "/"
    found = _listed(path)
    return f"{place}/{found[1] if found else path[1:].partition('/')[0]}"


class PrivateBuckets:
    """The buckets that need credentials. `always`: all of them do."""

    def __init__(self, *, always: bool) -> None:
        self._always = always
        self._private: set[str] = set()

    def needs(self, url: str) -> bool:
        """Whether a request is to be signed."""
        return self._always or bucket_of(url) in self._private

    def refused(self, url: str, *, signed: bool) -> bool:
        """The bucket has refused a request, signed or not. Whether it may accept the other kind.

        After a signed one was refused the next request is not signed again: the keys may lack a right that
        everybody has.
        """
        if self._always:
            return False
        if signed:
            self._private.discard(bucket_of(url))
            return False
        if len(self._private) >= MAX_BUCKETS:
            self._private.clear()
        self._private.add(bucket_of(url))
        return True
