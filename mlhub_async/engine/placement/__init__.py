"""Where the files of a mirror belong: paths of new files, and files that get other paths."""
