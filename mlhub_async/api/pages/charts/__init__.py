"""Numbers and footprints as the geometry of SVG: whole numbers only, no text of a catalogue."""
