"""Archives as they are read by ranges or as a stream: their directories, heads and members."""
