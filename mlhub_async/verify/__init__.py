"""Hides how a finished mirror is proven again without the network, and how the ledger is read in peace."""

from .findings import Damage, Verification
from .proving import verify
from .status import CollectionStatus, StatusReport, status

__all__ = ["CollectionStatus", "Damage", "StatusReport", "Verification", "status", "verify"]
