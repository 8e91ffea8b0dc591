"""Listings: the pages, read one after another, their size, their loops; and the files of a directory."""
