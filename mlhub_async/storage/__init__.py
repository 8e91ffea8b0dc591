"""DEST: names, files, ledger."""
