"""Content codings (gzip, deflate, zstd): decoded while bytes arrive, to no more than the caller can take."""
