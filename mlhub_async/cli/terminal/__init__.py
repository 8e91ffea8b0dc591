"""Streams, signals and the event loop of one command."""
