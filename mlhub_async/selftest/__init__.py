"""Whether a mirror can live in a directory: its file system and this machine, tried with the real parts."""
