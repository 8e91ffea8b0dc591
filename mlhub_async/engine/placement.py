"""Where the files of an item belong, and what is to be done for each asset. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .. import stac
from ..core.formats.kinds import media_suffix
from ..core.model import Asset, Collection, Item, Job, JsonObject
from ..core.options import Selection
from ..core.urls import suffix
from ..storage import naming
from ..storage.layout import collection_document, item_document
from ..storage.ledger.claims import Claim, ClaimRequest, PathRequest
from ..transfer.existing import Decision, ExistingFilePolicy

Wants = Callable[[stac.AssetLike, JsonObject], bool]
WantsOf = Callable[[Item | Collection], Wants]


def wants_of(selection: Selection) -> WantsOf:
    """Gives the filter of assets for an owner: followed source imagery may have one of its own."""
    ordinary = stac.asset_filter(selection)
    if not (selection.source_include or selection.source_exclude):
        return lambda _: ordinary
    of_sources = stac.asset_filter(selection.of_sources())
    return lambda owner: of_sources if owner.followed else ordinary


def claim_request(
    owner: Item | Collection, assets: Iterable[Asset], wants: Wants, template: str
) -> ClaimRequest:
    """What is claimed in the ledger for one item or collection: its document and its selected assets."""
    item, collection = (owner.id, owner.collection) if isinstance(owner, Item) else ("", owner.id)
    if wants is not stac.any_asset:
        assets = [asset for asset in assets if wants(asset, owner.body)]
    if template == naming.DEFAULT_TEMPLATE:
        paths = _default_paths(assets, collection, item)
    else:
        paths = [path_request(asset, template) for asset in assets]
    return ClaimRequest(collection, item, document_path(collection, item), paths)


def document_path(collection: str, item: str) -> str:
    """The path of the JSON document of an item, or for an item of "" of its collection."""
    if not item:
        return collection_document(naming.collection_dir(collection))
    return item_document(naming.collection_dir(collection), naming.item_dir(item))


def path_request(asset: Asset, template: str) -> PathRequest:
    """The path under DEST that an asset gets if no other file has it."""
    extension = _extension(asset)
    fields = {"collection": asset.collection, "id": asset.item, "key": asset.key, "ext": extension}
    if template != naming.DEFAULT_TEMPLATE:
        fields = {**asset.fields, **fields}
    return PathRequest(asset, naming.render(template, fields), not extension)


def _default_paths(assets: Iterable[Asset], collection: str, item: str) -> list[PathRequest]:
    """Paths by the default template: all assets of one owner share all of it but the file name."""
    folder = naming.item_folder(collection, item)
    paths = []
    for asset in assets:
        extension = _extension(asset)
        paths.append(PathRequest(asset, naming.path_in_folder(folder, asset.key + extension), not extension))
    return paths


def _extension(asset: Asset) -> str:
    """From the path of the href, else from the media type; "" where only a redirect can tell."""
    return suffix(asset.href) or media_suffix(asset.media_type)


def job_of(claim: Claim, existing: ExistingFilePolicy) -> tuple[Job, bool]:
    """The job for a claim, and whether it is done already: its file exists and is kept without reading it."""
    decision = Decision.FETCH
    if (known := claim.known) is not None:
        decision = existing.of_recorded(unchanged=claim.current, recovered=claim.unsure)
    if known is None or decision is Decision.FETCH:
        return Job(claim.asset, claim.path, claim.suffix_pending, known_url=claim.known_url), False
    recheck = decision is Decision.REREAD
    return Job(claim.asset, known.path, previous=known, recheck=recheck), decision is Decision.KEEP
