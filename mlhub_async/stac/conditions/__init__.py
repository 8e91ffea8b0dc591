"""Single conditions of a selection, each a test of the body of an item."""
