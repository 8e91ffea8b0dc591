"""Credentials and signers: which origin may see which secret, and where secrets are read from."""
