"""Names that a catalogue may give its items, keys and collections to do harm with."""

HOSTILE = ["../x", "..", "a/b", "a\\b", "CON", "nul.tif", "\x1b]0;x\x07", "n\nl", " lead", "trail."]
HOSTILE += [
    "é" * 200,
    "-rf",
    "~",
    "/etc/x",
    "C:\\x",
    "%2e%2e%2f",
    "\u202egnp",
    "A",
    "a",
    ".mlhub",
    "catalog.json",
]
