"""Facts about the disk: what was asked for, what is there, with which digest."""

from .book import Book, Claim, Row, Wanted
from .ledger import Ledger, error_json

__all__ = ["Book", "Claim", "Ledger", "Row", "Wanted", "error_json"]
