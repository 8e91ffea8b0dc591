"""Transports: one hop on the wire each, behind `ports.Transport`."""
