"""Help pages: examples and exit codes, the short and the long page, the manual page, completion."""
