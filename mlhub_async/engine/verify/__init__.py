"""Hides how a finished mirror is proven again without the network, and how the ledger is read in peace."""

from .results import CollectionStatus, Damage, StatusReport, Verification, status
from .runner import verify

__all__ = ["CollectionStatus", "Damage", "StatusReport", "Verification", "status", "verify"]
