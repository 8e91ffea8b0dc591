"""Makes the STAC documents of the mirror, as bytes, from those of the source. Reads and writes no files.

An item stays as it came, valid or not. Only what depends on its location changes: links, and the href,
size and digest of the assets that are on disk.
"""
