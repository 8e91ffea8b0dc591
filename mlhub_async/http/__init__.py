"""HTTP: request policy (`client`), resilience, credentials, and the transports below."""
