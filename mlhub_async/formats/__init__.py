"""Hides how files are built inside: what a format promises of itself is checked without its library."""
