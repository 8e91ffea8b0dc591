"""Values, errors, protocols and helpers that all other folders use. Imports none of them."""
