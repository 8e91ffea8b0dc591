"""Mirrors in shards: a run for each, with a ledger and a lock of its own, and what joins them."""
