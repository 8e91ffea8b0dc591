"""The commands that look at a mirror, and change nothing of it."""
