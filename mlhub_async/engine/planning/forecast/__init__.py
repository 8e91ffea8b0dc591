"""The forecast of a mirror: bytes and time where sizes are unknown, from a stratified sample."""
