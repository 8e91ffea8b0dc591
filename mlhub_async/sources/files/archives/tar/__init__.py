"""Tar archives, which are read as a stream."""
