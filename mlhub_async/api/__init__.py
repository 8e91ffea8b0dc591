"""The Python API: `Client`, `mirrored()`, and the same calls without `await`."""
