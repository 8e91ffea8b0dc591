"""One run, from SOURCE to receipt."""
