"""Kinds of catalogues, each behind the port `Source`. `recognise` decides which of them a SOURCE is."""
