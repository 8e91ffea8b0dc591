"""The files of a directory as assets of their own."""

from __future__ import annotations

from collections.abc import Collection as Some
from collections.abc import Mapping
from urllib.parse import quote

from ...core.model import Asset, Directory, Member
from ..objects import AssetOutline


def member_url(directory: str, member: str) -> str:
    """The URL of a file of a directory. A query, which may be a signature, stays."""
    path, mark, query = directory.partition("#")[0].partition("?")
    return f"{path.removesuffix('/')}/{quote(member)}{mark}{query}"


def member_asset(directory: Asset, member: Member, separator: str = "/") -> Asset:
    """A file of a directory as an asset. `separator`: see `key_separator`."""
    hrefs = member.hrefs or [
        (member_url(href, member.path), via)
        for href, via in ((directory.href, directory.via), *directory.others)
    ]
    return directory._replace(
        href=hrefs[0][0],
        via=hrefs[0][1],
        key=f"{directory.key}{separator}{member.path}",
        media_type=member.media_type,
        size=member.size,
        checksum=member.checksum,
        stamp=_stamp(directory, member),
        directory=directory.key,
        member=member.path,
        optional=member.optional,
        others=tuple(hrefs[1:]),
        auth=tuple([(member_url(href, member.path), scheme) for href, scheme in directory.auth]),
    )


def _stamp(directory: Asset, member: Member) -> str:
    digest = "" if member.checksum is None else f".{member.checksum.digest.hex()}"
    return directory.stamp if member.size is None else f"{directory.stamp}.{member.size}{digest}"


def key_separator(key: str, keys: Some[str]) -> str:
    """What comes between the key of a directory and the paths in it: no other key may begin so."""
    separator = "/"
    while any(other.startswith(key + separator) for other in keys):
        separator += "/"
    return separator


def with_member_outlines(
    outlines: list[AssetOutline], directories: Mapping[str, Directory]
) -> list[AssetOutline]:
    """The outlines of assets with those of the files of directories, as far as known, in their places."""
    keys = [one.key for one in outlines]
    found: list[AssetOutline] = []
    for one in outlines:
        members = directories[one.key].members if one.key in directories else ()
        separator = key_separator(one.key, keys) if members else ""
        found += [
            AssetOutline(
                f"{one.key}{separator}{each.path}",
                each.media_type,
                each.size,
                member_url(one.href, each.path),
            )
            for each in members
        ] or [one]
    return found
