"""The vocabulary that all other folders share. Imports nothing else of this package."""
