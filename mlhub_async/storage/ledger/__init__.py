"""The ledger (SQLite): which files were asked for, which are on disk, with which digest."""
