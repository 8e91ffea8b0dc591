"""Authentication schemes that a catalogue names (the authentication extension of STAC)."""
