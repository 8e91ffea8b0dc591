"""One asset, from job to outcome."""
