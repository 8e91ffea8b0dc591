"""HTTP/1.1 over pooled connections, with nothing between socket and sink."""
