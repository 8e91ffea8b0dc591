"""Writes the mirrored STAC: from the documents that were read and the files on disk to bytes. No file I/O.

An item stays as it came, valid or not. Only what ties a document to its location changes: links, and the
href, size and digest of the assets that are on disk.
"""
