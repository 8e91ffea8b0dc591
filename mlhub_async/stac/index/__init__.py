"""Files that list all items of a mirror at once: GeoJSON, stac-geoparquet, pairs of label and source."""
