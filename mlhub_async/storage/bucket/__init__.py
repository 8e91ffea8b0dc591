"""DEST in a bucket: objects in place of files, with the ledger in a directory of this machine."""
