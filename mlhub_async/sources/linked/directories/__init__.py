"""Assets that are directories: their files are listed, so that each is fetched and checked by itself."""
