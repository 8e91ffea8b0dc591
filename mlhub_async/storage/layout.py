"""The names of all files and directories in DEST: what each is, and which module writes it.

    catalog.json                      root of the mirrored catalogue            engine/finish
    <collection>/collection.json      a collection, links to its items          engine/finish
    <collection>/<item>/<item>.json   an item, hrefs to the files in DEST       engine/inventory
    <collection>/<item>/<key><ext>    an asset, complete and checked            transfer
    <collection>/_common/<key><ext>   an asset of the collection itself         transfer
    _no-collection/<item>/...         items that name no collection             as above
    items.parquet, items.geojson      all items (--index)                       engine/finish/index
    pairs.csv                         label items and their sources (--index)   engine/finish/index
    <collection>/.../.mlhub-<name>    a copy, where that is a mount point       local/directories
    .mlhub/
      lock                            locked by the run that owns DEST          local/destination
      ledger.sqlite                   files wanted, files done, digests         ledger/database
      ledger.sqlite.corrupt-<time>    a broken ledger, kept                     ledger/schema
      journal.0, journal.1            write-ahead logs of the ledger            ledger/write_behind
      partial/<name>.part             bytes of an unfinished asset              local/body
      partial/<name>.journal          checkpoints that prove these bytes        local/checkpoint
      partial/document.<name>         a document that is being written          local/atomic_write
      partial/link.<name>.part        a link or copy before it is renamed       local/store
      partial/probe                   written to find out if the disk is full   local/disk_space
      probe                           renamed to find out if that sets its time local/destination
      reserve                         space for the receipt on a full disk      local/destination
      receipt.json                    proof of the last run                     engine/finish
      errors.jsonl                    assets that are missing, with reasons     engine/finish
      pace.json                       request limits that earlier runs learned  engine/mirror
      unpacked/index, unpacked/documents  what is in a tar archive, for later runs  sources/files/archives
      unpacked/archive.zip            one on a server without ranges, meanwhile sources/files/archives
      unpacked/data                   its files, while a run is under way       sources/files/archives

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
COMMON_DIR = "_common"
STATE_DIR = ".mlhub"

LOCK_FILE = "lock"
LEDGER_FILE = "ledger.sqlite"
CORRUPT_INFIX = ".corrupt-"
WRITE_AHEAD_LOG_FILES = ("journal.0", "journal.1")
RESERVE_FILE = "reserve"
RECEIPT_FILE = "receipt.json"
ERRORS_FILE = "errors.jsonl"
LEARNED_LIMITS_FILE = "pace.json"

PARTIAL_DIR = "partial"
UNPACKED_DIR = "unpacked"
DOCUMENT_PREFIX = "document."
LINK_PREFIX = "link."
PROBE_FILE = "probe"
COPY_PREFIX = f"{STATE_DIR}-"


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
