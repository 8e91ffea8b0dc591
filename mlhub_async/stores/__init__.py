"""Stores: where mirrored bytes live."""
