"""The pages of a listing: reading them one after another, their size, and when they make no progress."""
