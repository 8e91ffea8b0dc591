"""The paths that assets get, and the rows of files from their claim to their end."""
