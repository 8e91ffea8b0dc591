"""Facts about the disk: what was asked for, what is there, with which digest."""

from .book import Book
from .changes import changed
from .claims import Claim, Claimed, Wanted, Wish
from .ledger import Ledger
from .rows import Row, error_json
from .seals import Confirmed, Sealed

__all__ = [
    "Book",
    "Claim",
    "Claimed",
    "Confirmed",
    "Ledger",
    "Row",
    "Sealed",
    "Wanted",
    "Wish",
    "changed",
    "error_json",
]
