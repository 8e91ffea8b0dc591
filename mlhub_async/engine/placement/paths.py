"""Where the files of an item belong, and what is to be done for each asset. No I/O."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from ... import stac
from ...core import urls
from ...core.errors import MlhubError, TransferError
from ...core.formats.directories import directory_suffix
from ...core.formats.kinds import media_suffix
from ...core.model import Asset, Collection, Directory, Flaw, Item, Job
from ...core.urls import suffix
from ...storage import naming
from ...storage.layout import collection_document, item_document
from ...storage.ledger.claims.assignment import Claim, ClaimRequest
from ...storage.ledger.database import hash64
from ...transfer.existing import Decision, ExistingFilePolicy


def collection_request(collection: str) -> ClaimRequest:
    """What is claimed for the document of a collection, which decides about the directory of its items."""
    return ClaimRequest(collection, "", collection_document(naming.collection_dir(collection)), ())


def claim_request(
    owner: Item | Collection, assets: list[Asset], wants: stac.AssetFilter, template: str, document: str
) -> ClaimRequest:
    """What is claimed in the ledger for one item or collection: its document and its selected assets.

    `assets` are all of its assets; `document` is the path that the document of its collection has got.
    """
    item, collection = (owner.id, owner.collection) if isinstance(owner, Item) else ("", owner.id)
    addresses, links = _neighbourhood(owner)
    own_names: dict[str, str] = {}
    if len(assets) > 1 and template == naming.DEFAULT_TEMPLATE:
        from .companions import companions

        own_names = companions(assets)
    unselected: list[Asset] = []
    if wants is not stac.any_asset:
        every, assets = assets, []
        for asset in every:
            (assets if wants(asset, owner.body) else unselected).append(asset)
    folder, name = posixpath.dirname(document), naming.item_dir(item) if item else ""
    if item:
        document = item_document(folder, name)
    label = owner.label if isinstance(owner, Item) else ""
    place = partial(_paths, assets, template, own_names, folder, label=label)
    if owner.paths:
        place = partial(_given_paths, assets, owner.paths)
    if owner.directories:
        place = partial(_paths_with_members, place, owner.directories, [asset.key for asset in assets])
    return ClaimRequest(collection, item, document, place(name), place, addresses, links, unselected)


def _neighbourhood(owner: Item | Collection) -> tuple[list[int], list[tuple[int, int]]]:
    """The addresses of an item, and the links to other items, by hashes of their URLs."""
    if isinstance(owner, Collection):
        return [], []
    links = [(number, hash64(url)) for number, url in stac.targets_of(owner)]
    return address_hashes(owner), links


def address_hashes(item: Item) -> list[int]:
    """Hashes of the URLs that lead to an item."""
    return [hash64(url) for url in stac.addresses_of(item)]


def unclaimed_job(asset: Asset, template: str) -> Job:
    """The job for an asset that gets the path under DEST that it has if no other file has it."""
    folder, name = naming.collection_dir(asset.collection), naming.item_dir(asset.item) if asset.item else ""
    wanted = _paths([asset], template, {}, folder, name)[0]
    return Job(asset, wanted.path, wanted.suffix_pending)


def _paths(
    assets: Iterable[Asset],
    template: str,
    own_names: Mapping[str, str],
    folder: str,
    name: str,
    *,
    label: str = "",
) -> list[Claim]:
    """The paths of the assets of one owner. `folder`, `name`: the directories of collection and item; "" for
    the collection itself.

    `own_names`: file names by asset key, of assets that do not get their key as their name. `label`: the id
    of the label item that the owner is source imagery of.
    """
    if template != naming.DEFAULT_TEMPLATE:
        return [_by_template(asset, template, folder, name, label) for asset in assets]
    place = naming.item_folder(folder, name)
    paths = []
    for asset in assets:
        if own_names and asset.key in own_names:
            paths.append(Claim(asset, naming.path_in_folder(place, own_names[asset.key])))
            continue
        extension = suffix(asset.href) or _other_extension(asset)
        file = asset.key if asset.key.endswith(extension) else asset.key + extension
        paths.append(Claim(asset, naming.path_in_folder(place, file), not extension))
    return paths


def _given_paths(assets: Iterable[Asset], paths: Mapping[str, str], _: str) -> list[Claim]:
    return [Claim(asset, paths[asset.key]) for asset in assets]


def _paths_with_members(
    place: Callable[[str], list[Claim]],
    directories: Mapping[str, Directory],
    keys: Sequence[str],
    name: str,
) -> list[Claim]:
    """The paths of the assets of one owner, with the files of directories in the place of these.

    Two directories, or a directory and a file, never get one path.
    """
    from ...stac.listing.directories import key_separator, member_asset

    requests = place(name)
    taken = Counter(naming.fold(request.path) for request in requests)
    found: list[Claim] = []
    for request in requests:
        asset, path, *_ = request
        directory = directories.get(asset.key)
        if directory is None or not directory.members:
            found.append(request)
            continue
        if taken[naming.fold(path)] > (path == request.path):
            path = naming.distinct(path, asset.key)
        separator = key_separator(asset.key, keys)
        members = [member_asset(asset, member, separator) for member in directory.members]
        found += [Claim(one, f"{path}/{one.member}") for one in members]
    return found


def _by_template(asset: Asset, template: str, folder: str, name: str, label: str) -> Claim:
    from .template_fields import TemplateFields

    extension = _extension(asset)
    fields = {**TemplateFields(asset), "collection": folder, "id": name, "key": asset.key, "ext": extension}
    fields["label"] = label or asset.item or asset.collection
    if label and "year" in fields:
        fields["scene"] = f"{fields['year']}_{fields['month']}_{fields['day']}"
    if "filename" not in fields or urls.has_download_token(asset.href):
        fields["filename"] = _key_with(extension, asset.key)
    return Claim(asset, naming.render(template, fields), not extension)


def _key_with(extension: str, key: str) -> str:
    return key if extension and key.endswith(extension) else key + extension


def _extension(asset: Asset) -> str:
    """From the path of the href, else from the media type; "" where only a redirect can tell."""
    return suffix(asset.href) or _other_extension(asset)


def _other_extension(asset: Asset) -> str:
    return media_suffix(asset.media_type) or directory_suffix(asset.href, asset.media_type)


def job_of(claim: Claim, existing: ExistingFilePolicy) -> tuple[Job, bool]:
    """The job for a claim, and whether it is done already: its file exists and is kept without reading it, or
    is known not to exist at its source."""
    if claim.absent and claim.current and existing.keeps_absent:
        return Job(claim.asset, claim.path), True
    if claim.known is not None and (existing.rereads_touched or not claim.touched):
        known = claim.known
        unchanged = claim.current and existing.is_compared(claim.asset, known)
        decision = existing.of_recorded(unchanged=unchanged, recovered=claim.unsure)
        if decision is not Decision.FETCH:
            recheck = decision is Decision.REREAD
            return Job(claim.asset, known.path, previous=known, recheck=recheck), decision is Decision.KEEP
    return Job(claim.asset, claim.path, claim.suffix_pending, None, False, claim.known_url), False


def refusal(claim: Claim, owner: Item | Collection) -> MlhubError | None:
    """Why an asset cannot be fetched: it is a directory whose files are not known, or another asset has the
    path that a file of a directory must have."""
    if claim.displaced:
        words = f"another asset has the path of its file {claim.asset.member}"
        advice = "a path template with ${id} and ${key} tells them apart"
        return TransferError(f"{claim.asset.directory}: {words}; {advice}", kind="path")
    directory = owner.directories.get(claim.asset.key)
    return None if directory is None else directory.error


def contradiction(request: ClaimRequest) -> Flaw:
    """What is told of an item or a collection that is listed again with other assets."""
    where = f"{request.collection}/{request.item}" if request.item else f"collection {request.collection}"
    reason = "is listed twice, with different assets: the mirror has those of the first time"
    error = TransferError(f"{where} {reason}", kind="contradiction")
    return Flaw(where, error, owner=(request.collection, request.item))


def differs(request: ClaimRequest, first: ClaimRequest, heeded: bool) -> bool:
    """Whether an asset is new or, with `heeded`, has changed: the rule of `changed_items`, for an item that
    has not ended."""
    known = {wanted.asset.key: wanted.asset.stamp for wanted in first.assets}
    return any(
        wanted.asset.key not in known or (heeded and known[wanted.asset.key] != wanted.asset.stamp)
        for wanted in request.assets
    )


def count_assets(item: Item) -> int:
    """The assets of an item, selected or not. Each file of a directory counts."""
    assets = item.body.get("assets")
    more = sum([len(one.members) - 1 for one in item.directories.values() if one.members])
    return len(assets) + more if isinstance(assets, dict) else 0
