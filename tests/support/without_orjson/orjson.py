"""With this folder in front of the module path orjson cannot be imported, as where it has no wheel."""

raise ImportError("orjson is hidden")
