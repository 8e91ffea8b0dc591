"""Items that are given as such: FeatureCollections, NDJSON, stdin, Python objects."""
