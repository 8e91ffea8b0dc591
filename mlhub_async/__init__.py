"""Mirror Earth-observation training data: whole, provably, fast."""

__version__ = "0.1.0"
