"""Listings of object stores: one request per page, over the HTTP client of the run."""
