"""ZIP archives, which are read by ranges."""
