"""The kinds of `ports.Signer`, one in each module."""
