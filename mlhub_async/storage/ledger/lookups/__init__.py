"""What the ledger is asked beside its claims: files by their URL, unchanged items, links between
items.
"""
