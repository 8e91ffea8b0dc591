"""The memory of a listing (`--full-every`): the next run asks an API for what has changed since, and compares
the number of items. Where anything is in doubt, the listing is a full one."""
