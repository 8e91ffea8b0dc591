"""stac-geoparquet as a source: items in the rows of Parquet files (needs pyarrow)."""
