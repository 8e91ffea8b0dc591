"""Gives files of a mirror of an earlier version of this program the names that they would get now."""
