"""The REST interfaces of object stores: the requests of each, and what the answers to them mean."""
