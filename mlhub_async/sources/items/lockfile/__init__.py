"""Lockfiles: exactly the files of one mirror, by their digests, and where they were."""
