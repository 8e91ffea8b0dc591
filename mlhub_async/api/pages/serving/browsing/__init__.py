"""The pages of the server: collections, items, pictures."""
