"""The end of a run: writes catalogue, index files, errors.jsonl and the receipt, and closes the ledger."""

from .run_end import abandon as abandon
from .run_end import finish_run as finish_run
