"""`mlhub-async selftest`: checks whether a disk and this machine can hold a mirror."""
