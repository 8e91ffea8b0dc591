"""Segmented download: one large file by several range requests at a time."""
