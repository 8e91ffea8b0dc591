"""A STAC API as a source: by search, by collection, and in time slices at once."""
