"""Files that no STAC describes: object stores, data hubs and records. A listing of them becomes items."""
