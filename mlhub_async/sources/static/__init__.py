"""A static catalogue as a source: documents that link to each other, APIs and lists of items among them."""
