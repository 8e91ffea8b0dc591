"""The checks of file structures, a function for each format: what is wrong with an open file, or None."""
