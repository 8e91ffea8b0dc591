"""Items and a collection for files that no STAC describes."""
