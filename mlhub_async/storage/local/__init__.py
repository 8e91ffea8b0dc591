"""DEST as a directory of a local or mounted file system."""
