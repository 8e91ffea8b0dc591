"""Implementations of `ports.Signer`, one per module."""
