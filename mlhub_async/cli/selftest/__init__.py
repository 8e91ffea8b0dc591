"""`mlhub-async selftest`: can this disk and machine hold a mirror."""
