"""Facts about the disk: what was asked for, what is there, with which digest."""

from .book import Book, Row
from .changes import changed
from .claims import Claim, Claimed, Wanted, Wish
from .ledger import Ledger
from .rows import error_json

__all__ = ["Book", "Claim", "Claimed", "Ledger", "Row", "Wanted", "Wish", "changed", "error_json"]
