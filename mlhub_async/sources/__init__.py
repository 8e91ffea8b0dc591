"""Sources: catalogues told entry by entry, behind `ports.Source`."""
