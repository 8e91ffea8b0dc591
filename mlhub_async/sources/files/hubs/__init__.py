"""Listings of data hubs and of repositories of records, by their JSON APIs."""
