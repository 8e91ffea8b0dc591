"""Credentials: which origin sees which secret, and the files they are read from."""
