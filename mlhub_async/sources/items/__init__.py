"""Items that are given themselves, and not found in a catalogue: in documents, on stdin, as objects."""
