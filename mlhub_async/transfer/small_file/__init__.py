"""The small-file path: ordinary small files of origins that are well, each by one callback."""
