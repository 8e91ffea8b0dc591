"""What a page says of a mirror, read from its ledger, its receipt and its documents. Nothing is changed."""
