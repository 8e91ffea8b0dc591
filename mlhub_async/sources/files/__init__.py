"""Files that no STAC describes: archives, object stores, data hubs and records. Listings become items."""
