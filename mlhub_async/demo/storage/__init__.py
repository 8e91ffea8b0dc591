"""The storage origin of the sample: its objects, listed as an object store and as a data hub too."""
