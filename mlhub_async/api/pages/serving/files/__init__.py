"""Files by HTTP semantics (RFC 9110): which may be read, validators, conditions, ranges, bodies."""
