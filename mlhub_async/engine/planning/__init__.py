"""What a mirror would do, from the listing and the ledger, without any transfer or change."""
