"""What the items of a listing link to: source imagery, its collections, and files on this machine."""
