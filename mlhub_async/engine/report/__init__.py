"""What a run amounts to: counts, exit code, receipt, and whether the listing is complete."""
