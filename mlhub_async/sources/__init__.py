"""Where catalogues come from. `recognise` maps a SOURCE to one of the other modules."""
