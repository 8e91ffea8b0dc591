"""Executors carry out the jobs of a run: in this event loop; later in other processes or on a cluster."""
