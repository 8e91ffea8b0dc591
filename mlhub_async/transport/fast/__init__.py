"""One hop at wire speed: HTTP/1.1 over pooled connections, with nothing between socket and sink."""

from .transport import FastTransport

__all__ = ["FastTransport"]
