"""Asset → place: which assets of an item are wanted, and where under DEST each belongs. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .. import stac
from ..core.formats.kinds import media_suffix
from ..core.model import Asset, Collection, Item, Job, JsonObject
from ..core.urls import suffix
from ..storage import naming
from ..storage.layout import collection_document, item_document
from ..storage.ledger.claims import Claim, ClaimRequest, PathRequest
from ..transfer.existing import Decision, ExistingFilePolicy

Wants = Callable[[stac.AssetLike, JsonObject], bool]


def extension(asset: Asset) -> str:
    """From the href's path, else from the media type; "" where only a redirect can tell."""
    return suffix(asset.href) or media_suffix(asset.media_type)


def place(asset: Asset, template: str) -> PathRequest:
    """The path under DEST that an asset would like to have."""
    ext = extension(asset)
    fields = {"collection": asset.collection, "id": asset.item, "key": asset.key, "ext": ext}
    if template != naming.DEFAULT_TEMPLATE:
        fields = {**asset.fields, **fields}
    return PathRequest(asset, naming.render(template, fields), not ext)


def document_path(collection: str, item: str) -> str:
    """Where the JSON document of an item lies, or for an item of "" that of its collection."""
    if not item:
        return collection_document(naming.collection_dir(collection))
    return item_document(naming.collection_dir(collection), naming.item_dir(item))


def wanted(owner: Item | Collection, assets: Iterable[Asset], wants: Wants, template: str) -> ClaimRequest:
    """What the ledger is asked for on behalf of one item or collection."""
    item, collection = (owner.id, owner.collection) if isinstance(owner, Item) else ("", owner.id)
    if wants is not stac.any_asset:
        assets = [asset for asset in assets if wants(asset, owner.body)]
    if template == naming.DEFAULT_TEMPLATE:
        chosen = _at_home(assets, collection, item)
    else:
        chosen = [place(asset, template) for asset in assets]
    return ClaimRequest(collection, item, document_path(collection, item), chosen)


def _at_home(assets: Iterable[Asset], collection: str, item: str) -> list[PathRequest]:
    """Places by the default template, of which all assets of one owner share all but the last level."""
    home = naming.home(collection, item)
    wishes = []
    for asset in assets:
        ext = extension(asset)
        wishes.append(PathRequest(asset, naming.at_home(home, asset.key + ext), not ext))
    return wishes


def job_of(claim: Claim, existing: ExistingFilePolicy) -> tuple[Job, bool]:
    """The job for a claim, and whether it is done already: its file is there and stays unread."""
    decision = Decision.FETCH
    if (known := claim.known) is not None:
        decision = existing.of_recorded(unchanged=claim.current, recovered=claim.unsure)
    if known is None or decision is Decision.FETCH:
        return Job(claim.asset, claim.path, claim.suffix_pending, known_url=claim.known_url), False
    recheck = decision is Decision.REREAD
    return Job(claim.asset, known.path, previous=known, recheck=recheck), decision is Decision.KEEP
