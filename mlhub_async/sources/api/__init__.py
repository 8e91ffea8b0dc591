"""STAC API as a source: by search, by collection, and as parallel time slices."""
