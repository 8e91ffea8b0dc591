"""Access tokens: hosts of services that take them, and endpoints that give them (OAuth 2.0, RFC 6749)."""
