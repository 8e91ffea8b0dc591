"""Radiant MLHub as a source: its datasets and collections, and where its data is since it closed."""
