"""Ids and keys of a hostile catalogue: none may lead out of DEST, and no two may share a file."""

TRAVERSAL = ["../x", "..", "a/b", "a\\b", "/etc/x", "C:\\x", "%2e%2e%2f"]
RESERVED = ["CON", "nul.tif", ".mlhub", "catalog.json"]
UNPRINTABLE = ["\x1b]0;x\x07", "n\nl", "\u202egnp"]
AWKWARD = [" lead", "trail.", "-rf", "~", "é" * 200, "A", "a"]
HOSTILE = [*TRAVERSAL, *RESERVED, *UNPRINTABLE, *AWKWARD]
