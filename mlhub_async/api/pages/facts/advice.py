"""What exit codes and failures mean, and what to do about them; in short what docs/exit-codes.md says."""

from __future__ import annotations

from typing import NamedTuple


class Verdict(NamedTuple):
    """An exit code in words. `level`: "good", "doubtful" or "bad"."""

    level: str
    meaning: str
    advice: str = ""


AGAIN = "Run the same command again."
VERDICTS = {
    0: Verdict("good", "Complete and verified: the listing was complete, and all that was selected is here."),
    1: Verdict("bad", "The run ended by an unexpected error, a bug in the program.", "Report its traceback."),
    2: Verdict("bad", "The run could not be made as it was asked for.", "Correct the command."),
    3: Verdict("bad", "The source refused access.", "Check the address and the key, then run it again."),
    4: Verdict("bad", "Not complete: something is missing for good.", "See the failures below."),
    5: Verdict("doubtful", "Not complete: what is missing may be available later.", AGAIN),
    7: Verdict("bad", "The disk refused.", "Free some space or choose another place, then run it again."),
    8: Verdict("doubtful", "Not complete: a limit that was given was reached.", AGAIN),
    9: Verdict("bad", "The selection matched nothing in the catalogue.", "Correct the selection."),
    129: Verdict("doubtful", "Not complete: the run was stopped (SIGHUP).", AGAIN),
    130: Verdict("doubtful", "Not complete: the run was interrupted (Ctrl-C).", AGAIN),
    143: Verdict("doubtful", "Not complete: the run was terminated (SIGTERM).", AGAIN),
}
UNFINISHED = Verdict(
    "doubtful",
    "Not complete: the last run was killed, or is still going on.",
    "If no run is going on, run the same command again: it continues. Till then, this is what was recorded.",
)
NO_RECEIPT = Verdict(
    "doubtful", "The receipt of the last run is missing or damaged.", "Run the same command again."
)


def verdict_of(exit_code: int) -> Verdict:
    """The meaning of the exit code of a run."""
    return VERDICTS.get(exit_code, Verdict("bad", "Not complete."))


_KEYS = "Check the key for this host ('mlhub-async auth status'), and whether a licence has to be accepted."
_SAFETY = "Refused for safety, see docs/security.md: --allow-private or --allow-origin permit it."
_OTHER_BYTES = "The bytes are not those that were promised, also on a second try. Tell the host of the data."
_HOST = "The host, or the way to it, was disturbed. " + AGAIN
_RECORD = "A record of the catalogue is wrong. Tell those who publish it."
_NO_FILE = "The host has no such file any more. Tell those who publish the catalogue."
_ADVICE = {
    **dict.fromkeys(["unauthorized", "forbidden", "gated"], _KEYS),
    **dict.fromkeys(["not-found", "gone"], _NO_FILE),
    **dict.fromkeys(
        ["private-address", "cross-origin", "cross-origin-next", "outside-root", "source-outside-root"],
        _SAFETY,
    ),
    **dict.fromkeys(
        ["checksum-mismatch", "size-mismatch", "empty", "structure", "corrupt", "truncated", "short"],
        _OTHER_BYTES,
    ),
    **dict.fromkeys(
        ["timeout", "connection", "dns", "host-down", "server-error", "closed", "unavailable", "too-slow"],
        _HOST,
    ),
    **dict.fromkeys(["bad-href", "bad-record", "unsupported-scheme", "not-a-record", "not-stac"], _RECORD),
    "throttled": "The host limits requests. Run it again later, with fewer at a time (-j) or --tpslimit.",
    "wrong-content": "A page came instead of data: often one to log in. " + _KEYS,
    "tls": "The certificate of the host is not trusted: --ca-file names your own authority.",
    "exists": "There was a file, and --if-exists error was given.",
    "local-shortage": "This machine ran out of descriptors: raise 'ulimit -n' or give fewer transfers (-j).",
    "unfinished": "The run ended before this asset's turn. " + AGAIN,
    "prune": "Nothing was pruned: --max-delete allows more.",
}
_BENIGN = "A link that leads nowhere: reported, and not counted as missing."


def advice_for(kind: str, *, retryable: bool, benign: bool) -> str:
    """What to do about failures of this kind."""
    if benign:
        return _BENIGN
    other = AGAIN if retryable else "Another run will not bring it. The message says why."
    return _ADVICE.get(kind, other)
