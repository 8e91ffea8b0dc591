"""The names of all files and directories in DEST: what each is, and which module writes it.

    catalog.json                      root of the mirrored catalogue            engine/finish
    <collection>/collection.json      a collection, links to its items          engine/finish
    <collection>/<item>/<item>.json   an item, hrefs to the files in DEST       engine/inventory
    <collection>/<item>/<key><ext>    an asset, complete and checked            transfer
    <collection>/_common/<key><ext>   an asset of the collection itself         transfer
    _no-collection/<item>/...         items that name no collection             as above
    items.parquet, items.geojson      all items (--index)                       engine/finish/index
    pairs.csv                         label items and their sources (--index)   engine/finish/index
    croissant.json, assets.csv        all files as a dataset (--croissant)       engine/finish/croissant
    ro-crate-metadata.json            all files as a research object (--ro-crate) engine/finish/ro_crate
    <collection>/.../.mlhub-<name>    a copy, where that is a mount point       local/directories
    .mlhub/
      lock                            locked by the run that owns DEST          local/destination
      workers.lock                    locked by the workers of that run         local/destination
      ledger.sqlite                   files wanted, files done, digests         ledger/database
      ledger.sqlite.corrupt-<time>    a broken ledger, kept                     ledger/schema
      journal.0, journal.1            write-ahead logs of the ledger            ledger/write_behind
      partial/<name>.part             bytes of an unfinished asset              local/body
      partial/<name>.journal          checkpoints that prove these bytes        local/checkpoint
      partial/document.<name>         a document that is being written          local/atomic_write
      partial/link.<name>.part        a link or copy before it is renamed       local/store
      partial/probe                   written to find out if the disk is full   local/disk_space
      probe                           renamed to find out if that sets its time local/destination,
                                      written to find out what the disk refuses ledger/schema
      reserve                         space for the receipt on a full disk      local/destination
      receipt.json                    proof of the last run                     engine/finish
      errors.jsonl                    assets that are missing, with reasons     engine/finish
      report.html                     a page about the mirror                   cli/actions/inspection
      pace.json                       request limits that earlier runs learned  engine/mirror
      listing.json                    the last complete listing (--full-every)  engine/planning/remembered
      rates.json                      how fast the last run was                 engine/report/rates
      unpacked/index, unpacked/documents  what is in a tar archive, for later runs  sources/files/archives
      unpacked/archive.zip            one on a server without ranges, meanwhile sources/files/archives
      shards/<K>-of-<N>/              the same for a run with --shard K/N         engine/finish/shards
      shards.merged                   these, while they are removed               engine/finish/shards
      unpacked/data                   its files, while a run is under way       sources/files/archives

Where DEST is a bucket, all of .mlhub is in the directory of --state, and in the bucket only receipt.json,
errors.jsonl and, while a run is under way, another lock. The former has also

      objects.sqlite                  what the bucket has, as it was listed       indexes/objects
      lock-owner                      by which its runs know their lock again     bucket/lock
      unfinished-uploads              their ids                                   bucket/uploads

SQLite adds `ledger.sqlite-wal` and `ledger.sqlite-shm` while the ledger is open. The names under
<collection> are those of the default path template; `naming` makes them safe. Other modules take names from
here (`tests/house/test_layout.py`).
"""

from __future__ import annotations

from ..core import model

CATALOG_FILE = model.CATALOG_FILE
COLLECTION_FILE = model.COLLECTION_FILE
PARQUET_INDEX_FILE = "items.parquet"
GEOJSON_INDEX_FILE = "items.geojson"
PAIRS_FILE = "pairs.csv"
CROISSANT_FILE = "croissant.json"
ASSET_TABLE_FILE = "assets.csv"
INDEX_FILES = (PARQUET_INDEX_FILE, GEOJSON_INDEX_FILE, PAIRS_FILE)
CRATE_FILE = "ro-crate-metadata.json"
CROISSANT_FILES = (CROISSANT_FILE, ASSET_TABLE_FILE)
COMMON_DIR = "_common"
STATE_DIR = ".mlhub"

LOCK_FILE = "lock"
WORKERS_FILE = "workers.lock"
LEDGER_FILE = "ledger.sqlite"
CORRUPT_INFIX = ".corrupt-"
WRITE_AHEAD_LOG_FILES = ("journal.0", "journal.1")
RESERVE_FILE = "reserve"
RECEIPT_FILE = "receipt.json"
ERRORS_FILE = "errors.jsonl"
REPORT_FILE = "report.html"
LEARNED_LIMITS_FILE = "pace.json"
RATES_FILE = "rates.json"
LISTING_FILE = "listing.json"
OBJECT_INDEX_FILE = "objects.sqlite"
OWNER_FILE = "lock-owner"
UPLOADS_FILE = "unfinished-uploads"

LOOKUP_ADDRESS = f"{STATE_DIR}/lookup"
DIGEST_ADDRESS = f"{STATE_DIR}/sha-256"
LOOKUP_MARK = "mlhub-async-lookup"
"""Where `serve` finds files by URL and by digest, and the member of its answer that says so. No files."""

PARTIAL_DIR = "partial"
UNPACKED_DIR = "unpacked"
SHARDS_DIR = "shards"
MERGED_SHARDS_DIR = "shards.merged"
DOCUMENT_PREFIX = "document."
LINK_PREFIX = "link."
PROBE_FILE = "probe"
COPY_PREFIX = f"{STATE_DIR}-"


def shard_state(number: int, count: int) -> str:
    """The path under DEST of the state directory of one of so many shards."""
    return f"{STATE_DIR}/{SHARDS_DIR}/{number}-of-{count}"


def in_state(name: str) -> str:
    """The path under DEST of a file in the state directory."""
    return f"{STATE_DIR}/{name}"


def partial_file(stem: str) -> str:
    """The name in `PARTIAL_DIR` of the bytes of an unfinished file."""
    return f"{stem}.part"


def checkpoints_file(stem: str) -> str:
    """The name in `PARTIAL_DIR` of the checkpoints of these bytes."""
    return f"{stem}.journal"


def collection_document(folder: str) -> str:
    """The path under DEST of the document of a collection; `folder` is the collection's directory."""
    return f"{folder}/{COLLECTION_FILE}"


def item_document(folder: str, name: str) -> str:
    """The path under DEST of an item's document; `name` is the item's directory in its collection's."""
    return f"{folder}/{name}/{name}.json"
