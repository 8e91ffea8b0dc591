"""Verifies a mirror without the network, and reports its status from the ledger. DEST is not changed."""

from .results import CollectionStatus, Damage, StatusReport, Verification, status
from .runner import verify

__all__ = ["CollectionStatus", "Damage", "StatusReport", "Verification", "status", "verify"]
