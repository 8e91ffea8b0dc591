"""Indexes on disk of what is elsewhere, made anew when they are lost: memory does not grow with them."""
