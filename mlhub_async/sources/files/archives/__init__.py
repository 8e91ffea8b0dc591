"""Archives as sources: each member has a URL below that of its archive, and is fetched as any other file."""
